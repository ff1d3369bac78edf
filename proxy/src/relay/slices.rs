//! Several runs of bytes in one system call, and what of them the sink did not take.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use crate::transport::Transport;

/// Writes the slices that are not empty; one alone takes the cheaper system call.
pub(super) fn write_packed(
    context: &mut Context<'_>,
    sink: &Transport,
    slices: &[IoSlice<'_>; 7],
) -> Poll<io::Result<usize>> {
    let mut packed = [IoSlice::new(&[]); 7];
    let mut count = 0;
    for slice in slices.iter().filter(|slice| !slice.is_empty()) {
        if let Some(place) = packed.get_mut(count) {
            *place = *slice;
            count += 1;
        }
    }
    sink.poll_write(context, packed.get(..count).unwrap_or_default())
}

/// Keeps what lies behind the first `taken` bytes of `slices`.
pub(super) fn keep_rest(pending: &mut Vec<u8>, slices: &[IoSlice<'_>], taken: usize) {
    let mut skip = taken;
    for slice in slices {
        let rest = slice.get(skip.min(slice.len())..).unwrap_or_default();
        skip -= skip.min(slice.len());
        pending.extend_from_slice(rest);
    }
}
