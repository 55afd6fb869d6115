"""Sequential digits: the 8 x 8 images that come with scikit-learn, pixel by pixel."""

import numpy as np

from lava_ssm.data.split import Split, TokenData
from lava_ssm.extras import needed


def digits() -> TokenData:
    """Give sDigits: 1,797 handwritten digits as sequences of 64 pixels in [0, 1].

    The test set is a quarter of the images, stratified by class, always the same one. The images
    are the test set of the UCI data set "Optical Recognition of Handwritten Digits"; they come
    with scikit-learn, nothing is downloaded.
    """
    with needed("sklearn"):
        from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    x = (images / 16).astype(np.float32)[..., np.newaxis]  # (1797, 64, 1)
    return TokenData("sDigits", *Split(x, labels.astype(np.int64)).set_aside(0.25), (8, 8))
