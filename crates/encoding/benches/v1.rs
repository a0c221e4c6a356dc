//! One gradient step (forward and input gradient) of an energy objective on the embedded V1, 8 orientations x 4 scales x 2
//! phases at 128 x 128 px, on one thread.
//!
//! Guards against: an operator of the model that falls off the fast path of `adjoint`, filters or pools that grew. The bound
//! is 8 ms, for the fastest tenth of the steps: on a busy machine the median says what the others do.
//!
//! `cargo bench -p photic-encoding --bench v1 -- [STEPS] [--profile]` (200 steps without). Ends with an error above the bound.
#![allow(clippy::print_stdout)] // a bench prints its table
#![allow(clippy::disallowed_methods)] // and reads the clock

use std::error::Error;
use std::time::{Duration, Instant};

use adjoint::{Cancel, Limits, Model, Spec};
use encoding::v1::{self, Params};
use ndarray::ArrayD;
use random::Random;

const BOUND: Duration = Duration::from_millis(8);

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let steps: usize = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(200).max(1);
    let bytes = v1::build(&Params::default())?;
    let model = Model::from_bytes("v1", &bytes, &Limits::default())?;
    let mut gradient = model.into_gradient(&Spec::new().threads(1))?;
    let mut random = Random::new(1, 0);
    let image = ArrayD::from_shape_fn(gradient.input_shape(0), |_| random.uniform() as f32);
    let mut times = Vec::new();
    for _ in 0..steps {
        let start = Instant::now();
        // The energy is half the sum of squared answers: its cotangents are the answers.
        gradient.step(&[image.view()], <[ArrayD<f32>]>::to_vec, &Cancel::new())?;
        times.push(start.elapsed());
    }
    times.sort();
    let (fast, median) = (times[steps / 10], times[steps / 2]);
    println!(
        "gradient step, {} units, 1 thread: fastest tenth {fast:.2?}, median {median:.2?} of {steps}",
        gradient.output_shape(0)[1]
    );
    if args.iter().any(|arg| arg == "--profile") {
        let answers = gradient.forward(&[image.view()])?;
        for node in gradient.profile(&[image.view()], &[answers[0].view()])?.iter().take(25) {
            let way = if node.backward { "backward" } else { "forward" };
            println!("{:>8.1} us  {way:<8}  {}  {}", 1e6 * node.time.as_secs_f64(), node.operator, node.node);
        }
    }
    if fast > BOUND {
        return Err(format!("the fastest tenth of the steps takes {fast:.2?}, the bound is {BOUND:?}").into());
    }
    Ok(())
}
