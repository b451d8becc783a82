"""scikit-learn estimators, for `Pipeline`, `GridSearchCV` and `cross_val_score`."""
