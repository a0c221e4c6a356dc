//! The `photic` command: parses the command line, calls the library, prints, sets the exit status.
//!
//! Exit status: 0 all is well; 1 the command ran and found something wrong (a replay that differs, a torn file);
//! 2 it could not run.

use std::fmt::Display;
use std::process::ExitCode;

use clap::Parser;
use photic::cli::{Cli, Command, ModelCommand};
use photic::error::SessionError;
use photic::inspect::{self, Seen};
use photic::{
    arms, counterfactual, events, frames, gallery, model, play, prior, render, replay, report, run, simulate,
    study, summary, synth, voice, watchdog,
};
use recording::RecordedSession;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = match cli.verbose {
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .without_time()
        .with_target(false)
        .init();
    match execute(cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            voice::tell(format_args!("photic: {error}"));
            ExitCode::from(2)
        }
    }
}

/// Runs the command; whether all is well.
fn execute(cli: Cli) -> Result<bool, SessionError> {
    match cli.command {
        Command::Run(args) => {
            let json = args.json;
            let summary = run::run(args, cli.network)?;
            if json {
                say(to_json(&summary))?;
            } else {
                say(&summary)?;
            }
            Ok(true)
        }
        Command::Replay(args) if args.controller.is_some() || args.participant.is_some() => {
            print(&counterfactual::replay(&args)?, args.json)
        }
        Command::Replay(args) => {
            let replayed = match args.rechunk {
                Some(chunk) => replay::rechunk(&args.session, chunk)?,
                None => replay::replay_with(&args.session, args.key.as_deref())?,
            };
            if args.json {
                say(to_json(&replayed))?;
            } else {
                say(&replayed)?;
            }
            Ok(replayed.identical)
        }
        Command::Check(args) => print(&inspect::check(&args)?, args.json),
        Command::Render(args) => print(&render::render(&args)?, args.json),
        Command::Frames(args) => print(&frames::frames(&args)?, args.json),
        Command::Gallery(args) => print(&gallery::gallery(&args)?, args.json),
        Command::Report { session } => {
            let session = RecordedSession::open(&session)?;
            let summary = summary::Summary::of(&session);
            say(report::write(&session, &summary)?.display())?;
            if let Some(events) = events::write(&session)? {
                say(events.display())?;
            }
            Ok(true)
        }
        Command::Verify { path, repair, key, json } => {
            print(&inspect::verify(&path, repair, key.as_ref())?, json)
        }
        Command::TrialKey(args) => print(&arms::trial_key(&args)?, args.json),
        Command::Prior(args) => print(&prior::prior(&args)?, args.json),
        Command::Unblind(args) => print(&arms::unblind(&args)?, args.json),
        Command::Info { path, json } => {
            print(&inspect::info(&path)?, json)?;
            Ok(true)
        }
        Command::Streams { wait_s, json } => print(&inspect::streams(wait_s, cli.network)?, json),
        Command::Watchdog(args) => watchdog::watch(&args).map(|()| true),
        Command::Study(args) => print(&study::study(&args)?, args.json),
        Command::Synth(args) => print(&synth::synth(&args)?, args.json),
        Command::Fit(args) => print(&model::fit(&args)?, args.json),
        Command::Gradient(args) => print(&model::gradient(&args)?, args.model.json),
        Command::Model { command } => match command {
            ModelCommand::Taps(args) => print(&model::taps(&args)?, args.json),
            ModelCommand::Check(args) => print(&model::check(&args)?, args.json),
            ModelCommand::V1(args) => print(&model::v1(&args)?, args.json),
            ModelCommand::Score(args) => print(&model::score(&args)?, args.json),
            ModelCommand::Trial(args) => print(&model::trial(&args)?, true),
        },
        Command::Simulate(args) => {
            let simulated = simulate::simulate(&args, cli.network)?;
            if args.json {
                say(to_json(&simulated))?;
            } else {
                say(&simulated)?;
            }
            Ok(true)
        }
        Command::Play(args) => {
            let played = play::play(&args, cli.network)?;
            say(format_args!(
                "played {:.1} s of the recording: {} streams, {} samples",
                played.recorded_s, played.streams, played.samples
            ))?;
            Ok(true)
        }
    }
}

/// A line of a result.
fn say(text: impl Display) -> Result<(), SessionError> {
    print_text(format_args!("{text}\n"))
}

fn print_text(text: impl Display) -> Result<(), SessionError> {
    voice::say(text).map_err(|error| SessionError::Usage(format!("the result cannot be written: {error}")))
}

fn print(seen: &Seen, json: bool) -> Result<bool, SessionError> {
    if json {
        say(&seen.json)?;
    } else {
        print_text(&seen.text)?;
    }
    Ok(seen.fine)
}

fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"))
}
