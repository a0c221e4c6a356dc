//! What goes out: samples of a simulated participant or of a recording, and markers.

use lsl::{ChannelFormat, Lsl, LslError, Outlet, OutletOptions, StreamInfo, StreamSpec};

use crate::error::AcquisitionError;
use crate::source::TIME_SCALE_KEY;

/// Description of an outlet of samples.
#[derive(Debug, Clone, PartialEq)]
pub struct OutletSpec {
    /// Name of the stream.
    pub name: String,
    /// Content type, such as `EEG`.
    pub stream_type: String,
    /// One label per channel: they say how many channels there are. Empty labels are not sent.
    pub channel_labels: Vec<String>,
    /// Units as LSL writes them (`microvolts`): none, one for all channels, or one per channel.
    pub units: Vec<String>,
    /// Samples per second of stamp time (of a recording played at another speed: its rate times the speed); 0 is
    /// irregular.
    pub rate_hz: f64,
    /// How values travel; not text.
    pub format: ChannelFormat,
    /// Names the sender for good, so that inlets find it again after a crash.
    pub source_id: String,
    /// Seconds of recorded time per second of stamp time; written into the description unless it is 1.
    pub time_scale: f64,
    /// Where each channel's electrode is: mm to the right, forward and up from the head's centre; or none at all.
    pub positions_mm: Vec<[f64; 3]>,
    /// Further entries of the description: element name and text.
    pub desc: Vec<(String, String)>,
}

impl OutletSpec {
    /// The unit of a channel; an empty text when none was given.
    pub(crate) fn unit_of(&self, channel: usize) -> &str {
        let index = if self.units.len() == 1 { 0 } else { channel };
        self.units.get(index).map_or("", String::as_str)
    }

    /// The entries below `desc` besides the channels.
    pub(crate) fn desc_entries(&self) -> impl Iterator<Item = (&str, String)> {
        let scale = (self.time_scale != 1.0).then(|| (TIME_SCALE_KEY, self.time_scale.to_string()));
        scale.into_iter().chain(self.desc.iter().map(|(name, text)| (name.as_str(), text.clone())))
    }

    fn describe(&self, lsl: &Lsl) -> Result<StreamInfo, LslError> {
        let info = StreamInfo::new(
            lsl,
            &StreamSpec {
                name: &self.name,
                stream_type: &self.stream_type,
                channel_count: self.channel_labels.len(),
                rate_hz: self.rate_hz,
                format: self.format,
                source_id: &self.source_id,
            },
        )?;
        let labelled = self.channel_labels.iter().any(|label| !label.is_empty());
        if labelled || !self.units.is_empty() {
            let channels = info.desc().append("channels")?;
            for (index, label) in self.channel_labels.iter().enumerate() {
                let channel = channels.append("channel")?;
                channel
                    .append_text("label", label)?
                    .append_text("unit", self.unit_of(index))?
                    .append_text("type", &self.stream_type)?;
                // As the EEG meta-data of XDF has it.
                if let Some(position_mm) = self.positions_mm.get(index) {
                    let location = channel.append("location")?;
                    for (axis, mm) in ["X", "Y", "Z"].into_iter().zip(position_mm) {
                        location.append_text(axis, &format!("{mm:.2}"))?;
                    }
                }
            }
        }
        for (name, text) in self.desc_entries() {
            info.desc().append_text(name, &text)?;
        }
        Ok(info)
    }
}

/// Sends samples.
pub struct SampleOutlet {
    name: String,
    outlet: Outlet,
}

impl SampleOutlet {
    /// Makes the outlet; it is visible at once.
    ///
    /// # Errors
    /// When the format is text, the units do not fit the channels, or liblsl refuses.
    pub fn new(lsl: &Lsl, spec: &OutletSpec) -> Result<Self, AcquisitionError> {
        let channels = spec.channel_labels.len();
        if spec.format == ChannelFormat::String {
            let (stream, found) = (spec.name.clone(), spec.format.name());
            return Err(AcquisitionError::Format { stream, found, wanted: "samples are numbers" });
        }
        if spec.units.len() > 1 && spec.units.len() != channels {
            let (outlet, found) = (spec.name.clone(), spec.units.len());
            return Err(AcquisitionError::Units { outlet, found, expected: channels });
        }
        let of = AcquisitionError::of(&spec.name);
        let info = spec.describe(lsl).map_err(&of)?;
        let outlet = Outlet::new(lsl, &info, &OutletOptions::default()).map_err(&of)?;
        Ok(Self { name: spec.name.clone(), outlet })
    }

    /// Sends samples at once: one stamp each, values one sample after the other.
    ///
    /// # Errors
    /// When values do not fit the stamps, or a stamp is not above 0 and finite.
    pub fn push(&mut self, stamps_s: &[f64], values: &[f64]) -> Result<(), AcquisitionError> {
        self.outlet.push_f64(stamps_s, values).map_err(AcquisitionError::of(&self.name))
    }

    /// Whether somebody reads.
    pub fn have_consumers(&self) -> bool {
        self.outlet.have_consumers()
    }

    /// Waits until somebody reads; `false` when the time ran out.
    pub fn wait_for_consumers(&self, timeout_s: f64) -> bool {
        self.outlet.wait_for_consumers(timeout_s)
    }
}

/// Sends markers: an irregular stream of one text.
pub struct MarkerOutlet {
    name: String,
    outlet: Outlet,
}

impl MarkerOutlet {
    /// Makes the outlet; it is visible at once. `desc` are entries of the description: element name and text.
    ///
    /// # Errors
    /// When liblsl refuses.
    pub fn new(
        lsl: &Lsl,
        name: &str,
        stream_type: &str,
        source_id: &str,
        desc: &[(String, String)],
    ) -> Result<Self, AcquisitionError> {
        let of = AcquisitionError::of(name);
        let format = ChannelFormat::String;
        let spec = StreamSpec { name, stream_type, channel_count: 1, rate_hz: 0.0, format, source_id };
        let info = StreamInfo::new(lsl, &spec).map_err(&of)?;
        for (name, text) in desc {
            info.desc().append_text(name, text).map_err(&of)?;
        }
        let outlet = Outlet::new(lsl, &info, &OutletOptions::default()).map_err(&of)?;
        Ok(Self { name: name.to_owned(), outlet })
    }

    /// Sends a marker at once.
    ///
    /// # Errors
    /// When the stamp is not above 0 and finite, or liblsl refuses.
    pub fn push(&mut self, stamp_s: f64, text: &str) -> Result<(), AcquisitionError> {
        self.outlet.push_text(stamp_s, &[text]).map_err(AcquisitionError::of(&self.name))
    }

    /// Whether somebody reads.
    pub fn have_consumers(&self) -> bool {
        self.outlet.have_consumers()
    }

    /// Waits until somebody reads; `false` when the time ran out.
    pub fn wait_for_consumers(&self, timeout_s: f64) -> bool {
        self.outlet.wait_for_consumers(timeout_s)
    }
}
