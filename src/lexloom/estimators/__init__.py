"""scikit-learn's shape of what lexloom does: estimators for `Pipeline`, `GridSearchCV` and `cross_val_score`."""
