//! Stimuli as PNG files: an image as a plain one, a movie as an animated one (APNG), which browsers play and every other
//! program shows by its first frame.
//!
//! A PNG holds code values and not light. Which code is written into the file: an sRGB chunk, or a gAMA chunk for a
//! display of a known exponent; a text chunk says it in words.

use encoding::form::Transfer;
use ndarray::ArrayView4;

/// How linear light becomes code values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Code {
    /// IEC 61966-2-1, for every program that shows pictures.
    Srgb,
    /// A power law: `code = light ^ (1 / gamma)`, for a display of that exponent which is driven without colour management.
    Gamma(f64),
}

/// Code and depth of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coding {
    /// From light to code.
    pub code: Code,
    /// Bits of a sample.
    pub depth: Depth,
}

/// Bits of a sample: PNG has no others that are of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// 8.
    Eight,
    /// 16.
    Sixteen,
}

impl Code {
    /// The code, 0 to 1, of a light of 0 to 1; light beyond is clipped.
    fn of(self, light: f32) -> f64 {
        let light = light.clamp(0.0, 1.0);
        match self {
            Self::Srgb => f64::from(Transfer::Srgb.code(light)),
            Self::Gamma(gamma) => libm::pow(f64::from(light), 1.0 / gamma),
        }
    }
}

impl Coding {
    /// In words, for a person who has to show the file.
    pub fn words(&self) -> String {
        let bits = match self.depth {
            Depth::Eight => 8,
            Depth::Sixteen => 16,
        };
        match self.code {
            Code::Srgb => format!("sRGB (IEC 61966-2-1), {bits} bits; light 1 is the screen's white"),
            Code::Gamma(gamma) => {
                format!("code = light ^ (1 / {gamma}), {bits} bits; light 1 is the screen's white")
            }
        }
    }

    /// Rows of samples, big-endian as PNG wants them, channels last; `frame` is [C, H, W].
    fn samples(&self, frame: ndarray::ArrayView3<'_, f32>) -> Vec<u8> {
        let (channels, height, width) = frame.dim();
        let mut bytes = Vec::new();
        for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
            for channel in 0..channels {
                let code = self.code.of(frame[[channel, row, column]]);
                match self.depth {
                    Depth::Eight => bytes.push((code * 255.0).round() as u8),
                    Depth::Sixteen => bytes.extend(((code * 65535.0).round() as u16).to_be_bytes()),
                }
            }
        }
        bytes
    }
}

/// One stimulus [T, C, H, W] as the bytes of a PNG; several frames play at `rate_hz`, over and over.
///
/// # Errors
/// A shape that PNG cannot hold (neither 1 nor 3 channels, no pixel).
pub fn png(
    stimulus: ArrayView4<'_, f32>,
    coding: Coding,
    rate_hz: Option<f64>,
) -> Result<Vec<u8>, png::EncodingError> {
    let (frames, channels, height, width) = stimulus.dim();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(if channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale });
    encoder.set_depth(match coding.depth {
        Depth::Eight => png::BitDepth::Eight,
        Depth::Sixteen => png::BitDepth::Sixteen,
    });
    match coding.code {
        Code::Srgb => encoder.set_source_srgb(png::SrgbRenderingIntent::RelativeColorimetric),
        Code::Gamma(gamma) => encoder.set_source_gamma(png::ScaledFloat::new((1.0 / gamma) as f32)),
    }
    if frames > 1 {
        encoder.set_animated(frames as u32, 0)?;
        let (numerator, denominator) = delay(rate_hz.unwrap_or(25.0));
        encoder.set_frame_delay(numerator, denominator)?;
    }
    encoder.add_text_chunk("Software".into(), "photic synth".into())?;
    encoder.add_text_chunk("Comment".into(), coding.words())?;
    let mut writer = encoder.write_header()?;
    for frame in stimulus.outer_iter() {
        writer.write_image_data(&coding.samples(frame))?;
    }
    writer.finish()?;
    Ok(bytes)
}

/// Time of a frame as the fraction of a second that APNG holds: two 16-bit numbers.
fn delay(rate_hz: f64) -> (u16, u16) {
    let scale = [1000.0, 100.0, 10.0, 1.0].into_iter().find(|scale| rate_hz * scale <= 65535.0);
    match scale {
        Some(scale) => (scale as u16, (rate_hz * scale).round().max(1.0) as u16),
        None => (1, u16::MAX),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::*;

    fn ramp(frames: usize, channels: usize) -> Array4<f32> {
        Array4::from_shape_fn((frames, channels, 3, 256), |(t, c, _, x)| {
            (x as f32 / 255.0 + 0.1 * (t + c) as f32).min(1.0)
        })
    }

    fn read(bytes: &[u8]) -> (png::Reader<std::io::Cursor<&[u8]>>, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        (reader, pixels)
    }

    #[test]
    fn every_code_comes_back_and_the_file_says_which_it_is() {
        let srgb = Coding { code: Code::Srgb, depth: Depth::Eight };
        let light = ramp(1, 3);
        let bytes = png(light.view(), srgb, None).unwrap();
        assert_eq!(bytes, png(light.view(), srgb, None).unwrap());
        let (reader, pixels) = read(&bytes);
        assert!(reader.info().srgb.is_some());
        assert!(reader.info().uncompressed_latin1_text[1].text.contains("61966"));
        // Linear 0.5 is code 188 in sRGB; 1 is 255.
        let at = |x: usize, c: usize| pixels[x * 3 + c];
        assert_eq!((at(0, 0), at(128, 0), at(255, 2)), (0, 188, 255));

        let display = Coding { code: Code::Gamma(2.0), depth: Depth::Sixteen };
        let bytes = png(ramp(1, 1).view(), display, None).unwrap();
        let (reader, pixels) = read(&bytes);
        assert!((reader.info().gamma().unwrap().into_value() - 0.5).abs() < 1e-4);
        let code = u16::from_be_bytes([pixels[2 * 64], pixels[2 * 64 + 1]]);
        assert_eq!(code, ((64.0f64 / 255.0).sqrt() * 65535.0).round() as u16);
    }

    #[test]
    fn a_movie_has_its_frames_and_its_rate() {
        let coding = Coding { code: Code::Srgb, depth: Depth::Eight };
        let bytes = png(ramp(5, 1).view(), coding, Some(59.94)).unwrap();
        let (reader, _) = read(&bytes);
        assert_eq!(reader.info().animation_control().unwrap().num_frames, 5);
        let frame = reader.info().frame_control().unwrap();
        assert!((f64::from(frame.delay_den) / f64::from(frame.delay_num) - 59.94).abs() < 1e-9);
        assert_eq!((delay(60.0), delay(1000.0), delay(1e9)), ((1000, 60000), (10, 10000), (1, 65535)));
    }
}
