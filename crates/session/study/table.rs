//! The table: one row per session, in Parquet (Apache Parquet format 2), so that any statistics package reads it as it is.

use std::sync::Arc;

use parquet::basic::Encoding;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::journal::build;
use super::{Job, METRICS, Row, Seeds, Spec};

/// Columns of text before the numbers; `seed` and `snr` follow them.
const TEXTS: [&str; 10] = [
    "study",
    "seeds",
    "protocol",
    "arm",
    "brain",
    "participant",
    "snr_tercile",
    "protocol_sha256",
    "rig_sha256",
    "build",
];

/// The table as the bytes of a file. The same rows give the same bytes: nothing in it says when or where it was written.
///
/// # Errors
/// What the library refuses: a fault of ours.
pub fn parquet(spec: &Spec, seeds: Seeds, jobs: &[Job], rows: &[Row]) -> Result<Vec<u8>, ParquetError> {
    let properties = properties(&spec.text);
    let schema = Arc::new(parse_message_type(&schema())?);
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut group = file.next_row_group()?;
    for name in TEXTS {
        let column: Vec<ByteArray> =
            jobs.iter().map(|job| text_of(name, spec, seeds, job).as_str().into()).collect();
        write::<ByteArrayType>(&mut group, &column, None)?;
    }
    let column: Vec<i64> = jobs.iter().map(|job| job.seed as i64).collect();
    write::<Int64Type>(&mut group, &column, None)?;
    let column: Vec<f64> = jobs.iter().map(|job| spec.participants[job.participant].snr).collect();
    write::<DoubleType>(&mut group, &column, None)?;
    for metric in 0..METRICS.len() {
        let column: Vec<f64> = rows.iter().map(|row| row.values[metric]).collect();
        write::<DoubleType>(&mut group, &column, None)?;
    }
    let there: Vec<i16> = rows.iter().map(|row| i16::from(row.error.is_some())).collect();
    let errors: Vec<ByteArray> =
        rows.iter().filter_map(|row| Some(row.error.as_ref()?.as_str().into())).collect();
    write::<ByteArrayType>(&mut group, &errors, Some(&there))?;
    group.close()?;
    file.into_inner()
}

/// How tables are written; the specification goes with them.
pub(super) fn properties(spec: &str) -> WriterProperties {
    WriterProperties::builder()
        .set_created_by(format!("photic {}", build()))
        .set_encoding(Encoding::PLAIN)
        .set_key_value_metadata(Some(vec![KeyValue::new("photic_study".to_owned(), spec.to_owned())]))
        .build()
}

/// The next column; `there` says of which rows there is a value, where not of all.
pub(super) fn write<T: parquet::data_type::DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[T::T],
    there: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let column = group.next_column()?;
    let mut column =
        column.ok_or_else(|| ParquetError::General("more columns than the schema has".into()))?;
    column.typed::<T>().write_batch(values, there, None)?;
    column.close()
}

fn schema() -> String {
    let mut schema = String::from("message session {\n");
    for name in TEXTS {
        schema.push_str(&format!("  REQUIRED BYTE_ARRAY {name} (STRING);\n"));
    }
    schema.push_str("  REQUIRED INT64 seed;\n  REQUIRED DOUBLE snr;\n");
    for metric in METRICS {
        schema.push_str(&format!("  REQUIRED DOUBLE {};\n", metric.key));
    }
    schema.push_str("  OPTIONAL BYTE_ARRAY error (STRING);\n}");
    schema
}

fn text_of(column: &str, spec: &Spec, seeds: Seeds, job: &Job) -> String {
    let condition = &spec.conditions[job.condition];
    let person = spec.participants[job.participant];
    match column {
        "study" => spec.name.clone(),
        "seeds" => seeds.to_string(),
        "protocol" => spec.protocols[condition.protocol].clone(),
        "arm" => spec.arms[condition.arm].name.clone(),
        "brain" => spec.brain(seeds, job).unwrap_or("").to_owned(),
        "participant" => person.name.clone(),
        "snr_tercile" => person.snr_tercile.to_string(),
        "protocol_sha256" => condition.protocol_sha256.clone(),
        "rig_sha256" => spec.rig_sha256.clone(),
        _ => build(),
    }
}
