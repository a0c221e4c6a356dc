//! The table: one row per session, in Parquet.

use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::super::journal::build;
use super::super::table::{properties, write};
use super::super::{Row, Seeds};
use super::session::columns;
use super::spec::{Job, Spec};

const TEXTS: [&str; 9] =
    ["study", "seeds", "arm", "method", "brain", "family", "participant", "snr_tercile", "build"];

/// The table as the bytes of a file. The same rows give the same bytes.
///
/// # Errors
/// What the library refuses: a fault of ours.
pub fn parquet(spec: &Spec, seeds: Seeds, jobs: &[Job], rows: &[Row]) -> Result<Vec<u8>, ParquetError> {
    let schema = Arc::new(parse_message_type(&schema())?);
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties(&spec.text)))?;
    let mut group = file.next_row_group()?;
    for name in TEXTS {
        let texts = jobs.iter().map(|job| text_of(name, spec, seeds, job));
        let column: Vec<ByteArray> = texts.map(|text| text.as_str().into()).collect();
        write::<ByteArrayType>(&mut group, &column, None)?;
    }
    let column: Vec<i64> = jobs.iter().map(|job| job.seed as i64).collect();
    write::<Int64Type>(&mut group, &column, None)?;
    let column: Vec<f64> = jobs.iter().map(|job| spec.participants[job.participant].snr).collect();
    write::<DoubleType>(&mut group, &column, None)?;
    for at in 0..columns().count() {
        let column: Vec<f64> = rows.iter().map(|row| row.values[at]).collect();
        write::<DoubleType>(&mut group, &column, None)?;
    }
    let there: Vec<i16> = rows.iter().map(|row| i16::from(row.error.is_some())).collect();
    let errors: Vec<ByteArray> =
        rows.iter().filter_map(|row| Some(row.error.as_ref()?.as_str().into())).collect();
    write::<ByteArrayType>(&mut group, &errors, Some(&there))?;
    group.close()?;
    file.into_inner()
}

fn schema() -> String {
    let texts = TEXTS.map(|name| format!("  REQUIRED BYTE_ARRAY {name} (STRING);\n"));
    let numbers: Vec<String> = columns().map(|name| format!("  REQUIRED DOUBLE {name};\n")).collect();
    format!(
        "message session {{\n{}  REQUIRED INT64 seed;\n  REQUIRED DOUBLE snr;\n{}  OPTIONAL BYTE_ARRAY error (STRING);\n}}",
        texts.concat(),
        numbers.concat()
    )
}

fn text_of(column: &str, spec: &Spec, seeds: Seeds, job: &Job) -> String {
    let brain = spec.set(seeds).brains[job.brain];
    let person = spec.participants[job.participant];
    match column {
        "study" => spec.name.clone(),
        "seeds" => seeds.to_string(),
        "arm" => spec.arms[job.arm].name.clone(),
        "method" => spec.arms[job.arm].method().to_owned(),
        "brain" => brain.name.clone(),
        "family" => format!("{:?}", brain.family).to_lowercase(),
        "participant" => person.name.clone(),
        "snr_tercile" => person.snr_tercile.to_string(),
        _ => build(),
    }
}
