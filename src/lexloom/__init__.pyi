"""The public names, for type checkers, and for `__init__.py`, which reads from here where each name lives and which need torch."""

from lexloom.decoding.sampling_config import SamplingConfig as SamplingConfig
from lexloom.estimators.document_vectorizer import DocumentVectorizer as DocumentVectorizer
from lexloom.estimators.text_classifier import TextClassifier as TextClassifier
from lexloom.models.classifier.network import Classifier as Classifier  # torch
from lexloom.models.classifier.options import ClassifierConfig as ClassifierConfig
from lexloom.models.classifier.options import ClassifierEmbeddingConfig as ClassifierEmbeddingConfig
from lexloom.models.classifier.options import ClassifierOptions as ClassifierOptions
from lexloom.models.classifier.options import ClassifierRecurrentConfig as ClassifierRecurrentConfig
from lexloom.models.classifier.options import ClassifierTrainingConfig as ClassifierTrainingConfig
from lexloom.models.classifier.options import ClassifierVocabularyConfig as ClassifierVocabularyConfig
from lexloom.models.classifier.options import DocumentConfig as DocumentConfig
from lexloom.models.classifier.options import LinearConfig as LinearConfig
from lexloom.models.classifier.scores import evaluate_classifier as evaluate_classifier
from lexloom.models.classifier.train import train_classifier as train_classifier
from lexloom.models.language_model.network import LanguageModel as LanguageModel  # torch
from lexloom.models.language_model.options import LanguageModelConfig as LanguageModelConfig
from lexloom.models.language_model.options import LanguageModelOptions as LanguageModelOptions
from lexloom.models.language_model.options import LanguageTokenizerConfig as LanguageTokenizerConfig
from lexloom.models.language_model.options import LanguageVocabularyConfig as LanguageVocabularyConfig
from lexloom.models.language_model.options import WindowConfig as WindowConfig
from lexloom.models.language_model.scores import evaluate_language_model as evaluate_language_model  # torch
from lexloom.models.language_model.train import train_language_model as train_language_model  # torch
from lexloom.models.language_model.writing import next_tokens as next_tokens  # torch
from lexloom.models.language_model.writing import write_text_from as write_text_from  # torch
from lexloom.models.loading import load_model as load_model
from lexloom.nn.embedding import Embedding as Embedding  # torch
from lexloom.nn.embedding_config import EmbeddingConfig as EmbeddingConfig
from lexloom.nn.recurrent_config import RecurrentConfig as RecurrentConfig
from lexloom.run_folder import RunConfig as RunConfig
from lexloom.text.corpus import open_corpus as open_corpus
from lexloom.text.labels import open_labelled as open_labelled
from lexloom.text.store import TokenStore as TokenStore
from lexloom.text.store import build_store as build_store
from lexloom.text.tokenizers import TokenizerConfig as TokenizerConfig
from lexloom.text.vocabulary import Vocabulary as Vocabulary
from lexloom.text.vocabulary import VocabularyConfig as VocabularyConfig
from lexloom.training.batches import TensorBatches as TensorBatches  # torch
from lexloom.training.config import TrainingConfig as TrainingConfig
from lexloom.training.loop import fit as fit  # torch
from lexloom.training.trainable import Outcome as Outcome  # torch
from lexloom.training.trainable import Player as Player  # torch
from lexloom.training.trainable import Trainable as Trainable  # torch
from lexloom.vectors.config import VectorConfig as VectorConfig
from lexloom.vectors.config import VectorTrainingConfig as VectorTrainingConfig
from lexloom.vectors.evaluate import evaluate_analogy as evaluate_analogy
from lexloom.vectors.evaluate import evaluate_similarity as evaluate_similarity
from lexloom.vectors.formats import load_vectors as load_vectors
from lexloom.vectors.formats import save_vectors as save_vectors
from lexloom.vectors.plot import plot_vectors as plot_vectors
from lexloom.vectors.search import WordPolicy as WordPolicy
from lexloom.vectors.search import analogy as analogy
from lexloom.vectors.search import neighbors as neighbors
from lexloom.vectors.search import odd_one_out as odd_one_out
from lexloom.vectors.search import similarity as similarity
from lexloom.vectors.table import Vectors as Vectors
from lexloom.vectors.train import train_vectors as train_vectors
from lexloom.version import __version__ as __version__
