//! The WAV header: RIFF, `fmt ` and `data` chunks of plain PCM, 44 bytes.

use std::io::{self, Write};

/// Samples per second; the engine speaks at no other rate.
pub(crate) const SAMPLE_RATE: u32 = 22_050;

const BYTES_PER_SAMPLE: u16 = 2;

/// Writes the header of a mono file that goes on with `data_bytes` bytes of
/// 16-bit samples.
pub(crate) fn write_header(output: &mut impl Write, data_bytes: u32) -> io::Result<()> {
    let mut header = Vec::with_capacity(44);
    header.extend(b"RIFF");
    header.extend((36 + data_bytes).to_le_bytes());
    header.extend(b"WAVEfmt ");
    header.extend(16u32.to_le_bytes()); // size of this chunk
    header.extend(1u16.to_le_bytes()); // PCM
    header.extend(1u16.to_le_bytes()); // channels
    header.extend(SAMPLE_RATE.to_le_bytes());
    header.extend((SAMPLE_RATE * u32::from(BYTES_PER_SAMPLE)).to_le_bytes());
    header.extend(BYTES_PER_SAMPLE.to_le_bytes()); // bytes per frame
    header.extend((8 * BYTES_PER_SAMPLE).to_le_bytes());
    header.extend(b"data");
    header.extend(data_bytes.to_le_bytes());
    output.write_all(&header)
}
