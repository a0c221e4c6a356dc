//! The section about streams: how they arrived, how good their channels are, what their spectra show.

use protocol::{Decoder, StreamKind, Unit};
use timeline::SourceId;

use super::charts;
use super::page::{Column, Page};
use super::quality::{self, ChannelQuality};
use super::sections::Facts;
use super::spans::{Span, stimulated};
use super::spectra::Spectra;
use super::svg::{short, three_digits};

impl Facts<'_> {
    /// Quality and spectra of each stream of samples.
    pub fn signals(&self, page: &mut Page) {
        page.heading("Streams");
        if self.session.sources.is_empty() {
            page.text("No stream was recorded.");
            return;
        }
        self.arrivals(page);
        let stimulated = stimulated(self.session);
        for number in 0..self.session.sources.len() {
            let source = SourceId(number as u16);
            let quality = quality::channel_quality(self.session, source);
            if !quality.is_empty() {
                self.channels(page, source, &quality);
                self.spectra(page, source, &quality, &stimulated);
            }
        }
    }

    /// The protocol's name for a stream.
    pub(super) fn stream_name(&self, source: SourceId) -> String {
        let entry = self.session.meta.sources.get(usize::from(source.0));
        entry.map_or_else(|| format!("source {}", source.0), |entry| entry.name.clone())
    }

    fn arrivals(&self, page: &mut Page) {
        let rows = (0..self.session.sources.len()).map(|number| {
            let source = SourceId(number as u16);
            let arrival = quality::arrival(self.session, source);
            let entry = self.session.meta.sources.get(number);
            let info = &self.session.sources[number].info;
            let ms = |value: Option<f64>| value.map_or("\u{2013}".into(), |ms| format!("{ms:.2}"));
            let nominal = if info.rate_hz > 0.0 { short(info.rate_hz) } else { "irregular".into() };
            let rate = arrival.rate_hz.filter(|_| info.rate_hz > 0.0);
            vec![
                self.stream_name(source),
                entry.map_or_else(|| info.name.clone(), |entry| entry.stream_name.clone()),
                info.stream_type.clone(),
                nominal,
                rate.map_or("\u{2013}".into(), |hz| format!("{hz:.3}")),
                arrival.samples.to_string(),
                arrival
                    .lag_ms
                    .map_or("\u{2013}".into(), |[median, p99, _]| format!("{median:.2} / {p99:.2}")),
                ms(arrival.longest_pause_ms),
                format!("{} / {} / {}", arrival.skipped, arrival.refused, arrival.lost_at_source),
            ]
        });
        let columns: [Column; 9] = [
            ("stream", false),
            ("LSL name", false),
            ("type", false),
            ("nominal (Hz)", true),
            ("by stamps (Hz)", true),
            ("samples", true),
            ("lag (ms), median / p99", true),
            ("longest pause (ms)", true),
            ("skipped / refused / lost", true),
        ];
        page.table(&columns, &rows.collect::<Vec<_>>());
        page.how(
            "Rate: intervals over the time from the first to the last stamp. Lag: arrival at the inlet minus the stamp of the chunk's \
             newest sample, clock offset applied. Pause: longest time between two chunks. Skipped: passed over by the loop because newer \
             samples waited. Refused: the loop's ring was full (counted under skipped too, once the loop goes on). Lost: gaps in a \
             regular stream's stamps, an estimate.",
        );
    }

    fn unit(&self, source: SourceId) -> String {
        let place = usize::from(source.0);
        let stream = self.protocol.as_ref().and_then(|protocol| protocol.streams.get(place));
        if let Some(StreamKind::Samples(samples)) = stream.map(|stream| &stream.kind)
            && samples.unit == Unit::Microvolt
        {
            return "\u{b5}V".into();
        }
        let entry = self.session.meta.sources.get(place);
        let said = entry.and_then(|entry| {
            let first = entry.wanted.first().copied().unwrap_or(0);
            entry.units.get(first).filter(|unit| !unit.is_empty())
        });
        match said.map(String::as_str) {
            Some("microvolts" | "microvolt" | "uV" | "\u{b5}V") => "\u{b5}V".into(),
            Some("unknown") | None => "unit".into(),
            Some(unit) => unit.into(),
        }
    }

    fn channels(&self, page: &mut Page, source: SourceId, quality: &[ChannelQuality]) {
        let unit = self.unit(source);
        page.subheading(&format!("Signal quality of {}", self.stream_name(source)));
        let scale = quality::time_scale(self.session, source);
        if scale != 1.0 {
            page.text(&format!(
                "This stream is a recording played at {} times its speed. Seconds and frequencies in this table and in the spectra \
                 are those of the recorded person.",
                short(scale)
            ));
        }
        let number =
            |value: Option<f64>| value.filter(|v| v.is_finite()).map_or("\u{2013}".into(), three_digits);
        let rows = quality.iter().map(|channel| {
            let report = &channel.report;
            let rms = Some(report.rms).filter(|_| report.samples > 0);
            vec![
                channel.label.clone(),
                number(rms),
                number(channel.range_median),
                number(channel.range_max),
                format!("{:.2}", report.flat_s),
                report.not_finite.to_string(),
                number(report.mains_ratio[0]),
                number(report.mains_ratio[1]),
            ]
        });
        let (rms, range, range_max) =
            (format!("rms ({unit})"), format!("range in 1 s, median ({unit})"), format!("greatest ({unit})"));
        let columns: [Column; 8] = [
            ("channel", false),
            (&rms, true),
            (&range, true),
            (&range_max, true),
            ("longest flat (s)", true),
            ("not finite", true),
            ("50 Hz ratio", true),
            ("60 Hz ratio", true),
        ];
        page.table(&columns, &rows.collect::<Vec<_>>());
        page.how(
            "From the raw samples of the channels that the loop used. rms: about a mean that follows with a time constant of 1 s. Range: greatest \
             minus least value within each second (peak to peak). Flat: longest stretch of equal values. Mains ratio: amplitude at 50 or \
             60 Hz over the mean amplitude 4 Hz beside it; about 1 without hum.",
        );
    }

    fn spectra(&self, page: &mut Page, source: SourceId, quality: &[ChannelQuality], stimulated: &[Span]) {
        let channels = quality::channels(self.session, source);
        let places: Vec<usize> = channels.iter().map(|(channel, _)| *channel).collect();
        let labels: Vec<String> = channels.into_iter().map(|(_, label)| label).collect();
        page.subheading(&format!("Spectra of {}", self.stream_name(source)));
        let spectra = Spectra::of(self.session, source, &places, stimulated);
        let marks = self.marks(source, quality);
        match spectra.and_then(|spectra| charts::spectra(&spectra, &labels, &self.unit(source), &marks)) {
            Some(figure) => page.figure(&figure),
            None => page.text("No spectrum: no channel has one whole segment of 4 s without a gap."),
        }
    }

    /// Frequencies to look at: what the decoder follows, and the mains frequency with the stronger hum.
    fn marks(&self, source: SourceId, quality: &[ChannelQuality]) -> Vec<(&'static str, f64, String)> {
        let mut marks = Vec::new();
        let protocol = self.protocol.as_ref();
        match protocol.and_then(|protocol| protocol.decoder.as_ref()) {
            Some(Decoder::SsvepAmplitude(ssvep)) if ssvep.stream == usize::from(source.0) => {
                let stimulus = protocol.and_then(|protocol| protocol.stimuli.get(ssvep.stimulus));
                if let Some(flicker) = stimulus.and_then(protocol::Stimulus::flicker) {
                    let hz = flicker.response_hz();
                    marks.push(("c2 fine", hz, format!("response frequency, {} Hz", short(hz))));
                }
            }
            Some(Decoder::Cca(cca)) if cca.stream == usize::from(source.0) => {
                let classes =
                    cca.classes.iter().filter_map(|class| Some((class.frequency_hz?, &class.label)));
                marks.extend(classes.map(|(hz, label)| {
                    let frequency = format!("{} Hz", short(hz));
                    let name = if *label == frequency { frequency } else { format!("{label}, {frequency}") };
                    ("c3 fine", hz, format!("class {name}"))
                }));
            }
            _ => {}
        }
        let hum = |at: usize| {
            quality.iter().filter_map(|channel| channel.report.mains_ratio[at]).fold(0.0, f64::max)
        };
        let [at_50, at_60] = [hum(0), hum(1)];
        if at_50.max(at_60) > 0.0 {
            let hz = if at_60 > at_50 { 60.0 } else { 50.0 };
            marks.push(("mains", hz, format!("mains, {hz} Hz (the stronger of 50 and 60 Hz)")));
        }
        marks
    }
}
