//! Bedrock's wire format: converse, plain and streamed.

mod check;
mod converse;
mod frames;

pub(crate) use self::{
    converse::{converse, count_tokens},
    frames::exception,
};

/// The name of an error, by its status.
pub(crate) fn error_type(status: u16) -> &'static str {
    match status {
        401 => "UnrecognizedClientException",
        403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 => "ServiceUnavailableException",
        500.. => "InternalServerException",
        _ => "ValidationException",
    }
}
