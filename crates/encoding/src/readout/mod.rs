//! H: the linear map from model features to recorded responses.
