import pytest
import torch

from lexloom.nn.convolution import ConvolutionBank

E, FILTERS = 3, 4
LENGTHS = [5, 1, 0, 2, 9]
every_width = pytest.mark.parametrize("widths", [(1,), (2,), (3, 4, 5), (12,)], ids=str)


def bank(widths, dtype=torch.float64):
    torch.manual_seed(1)
    return ConvolutionBank(E, widths, FILTERS).to(dtype)


def rows_and_keep(lengths=LENGTHS, steps=None):
    """Random words, and which of them are real."""
    random = torch.Generator().manual_seed(2)
    steps = steps or max(lengths)
    rows = torch.randn(len(lengths), steps, E, generator=random, dtype=torch.float64)
    return rows, torch.arange(steps) < torch.tensor(lengths)[:, None]


def brute_force(made, words):
    """Lay each filter over every place at which it touches a word; keep its largest response, or 0 where none is above."""
    found = []
    for convolution in made.convolutions:
        width = convolution.kernel_size[0]
        for weight, bias in zip(convolution.weight, convolution.bias, strict=True):
            largest = 0.0
            for first in range(1 - width, len(words)):
                touched = [(place, words[first + place]) for place in range(width) if 0 <= first + place < len(words)]
                if touched:
                    largest = max(largest, float(bias + sum(weight[:, place] @ word for place, word in touched)))
            found.append(largest)
    return found


@every_width
def test_responses_are_the_largest_at_any_place(widths):
    made, (rows, keep) = bank(widths), rows_and_keep()
    with torch.no_grad():
        expected = [brute_force(made, row[:length]) for row, length in zip(rows, LENGTHS, strict=True)]
        torch.testing.assert_close(made(rows, keep), torch.tensor(expected, dtype=torch.float64))
    assert made.output_size == FILTERS * len(widths)


@every_width
@pytest.mark.parametrize("padding", [0.0, 1e6, -1e6])
def test_what_padding_holds_has_no_say(widths, padding):
    made, (rows, keep) = bank(widths), rows_and_keep()
    other = torch.where(keep[..., None], rows, padding)
    torch.testing.assert_close(made(other, keep), made(rows, keep), rtol=0, atol=0)


@every_width
def test_a_bias_above_all_responses_adds_none_beyond_the_document(widths):
    made, (rows, keep) = bank(widths), rows_and_keep()
    with torch.no_grad():
        for convolution in made.convolutions:
            convolution.bias.fill_(1.0)
        expected = [brute_force(made, row[:length]) for row, length in zip(-rows.abs(), LENGTHS, strict=True)]
        torch.testing.assert_close(made(-rows.abs(), keep), torch.tensor(expected, dtype=torch.float64))


@every_width
def test_a_document_alone_is_as_in_a_batch(widths):
    made, (rows, keep) = bank(widths), rows_and_keep()
    together = made(rows, keep)
    for row, expected, length in zip(rows, together, LENGTHS, strict=True):
        steps = max(1, length)
        torch.testing.assert_close(made(row[None, :steps], torch.full((1, steps), length > 0))[0], expected)


def test_documents_without_words_are_zeros_whatever_the_bias():
    made, (rows, keep) = bank((1, 3)), rows_and_keep([0, 0], steps=4)
    torch.nn.init.constant_(made.convolutions[0].bias, 5.0)
    assert not made(rows, keep).any()


@every_width
def test_gradients_are_finite_and_those_of_padding_zero(widths):
    made, (rows, keep) = bank(widths), rows_and_keep()
    rows.requires_grad_()
    gradient, *others = torch.autograd.grad(made(rows, keep).square().sum(), [rows, *made.parameters()])
    assert gradient.isfinite().all() and not gradient[~keep].any()
    assert gradient[keep].any()
    assert all(other.isfinite().all() and other.any() for other in others)


def test_gradients_are_those_of_finite_differences():
    made, (rows, keep) = bank((3,)), rows_and_keep([3, 1, 0])
    assert torch.autograd.gradcheck(lambda rows: made(rows, keep), rows.requires_grad_())


def test_under_autocast_responses_are_close():
    made, (rows, keep) = bank((2, 3), torch.float32), rows_and_keep()
    expected = made(rows.float(), keep)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(made(rows.float(), keep).float(), expected, rtol=0.05, atol=0.05)
