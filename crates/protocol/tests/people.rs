//! Orders of trials and blocks, and what a protocol for people may say.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use proptest::prelude::*;
use protocol::{BlockKind, OrderRule, Protocol, TaskOrder, williams};

const TWO_CHOICE: &str = include_str!("../../../protocols/two-choice.toml");

fn order(rule: OrderRule, repetitions: u32, most_in_a_row: Option<u32>) -> TaskOrder {
    TaskOrder { rule, repetitions, most_in_a_row }
}

fn counts(order: &[usize], conditions: usize) -> Vec<usize> {
    (0..conditions).map(|condition| order.iter().filter(|c| **c == condition).count()).collect()
}

fn longest_run(order: &[usize]) -> usize {
    order.chunk_by(|a, b| a == b).map(<[usize]>::len).max().unwrap_or(0)
}

/// Every condition at every place once, and after every other one equally often (Williams 1949).
#[test]
fn a_williams_design_is_balanced_for_places_and_for_what_went_before() {
    for n in 2..=12 {
        let rows = williams(n);
        assert_eq!(rows.len(), if n % 2 == 0 { n } else { 2 * n });
        let times = rows.len() / n;
        let mut places = vec![vec![0; n]; n];
        let mut pairs = vec![vec![0; n]; n];
        for row in &rows {
            assert_eq!(counts(row, n), vec![1; n]);
            row.iter().enumerate().for_each(|(place, &condition)| places[place][condition] += 1);
            row.windows(2).for_each(|pair| pairs[pair[0]][pair[1]] += 1);
        }
        assert!(places.iter().flatten().all(|&count| count == times), "{n}: {places:?}");
        for (before, after) in (0..n).flat_map(|a| (0..n).map(move |b| (a, b))) {
            assert_eq!(pairs[before][after], if before == after { 0 } else { times }, "{n}");
        }
    }
}

proptest! {
    #[test]
    fn orders_hold_what_they_promise(conditions in 1usize..7, repetitions in 1u32..25, most in 1u32..5, seed in any::<u64>(),
                                     rule in 0usize..2, number in 1u32..50) {
        let rule = [OrderRule::Random, OrderRule::Rounds][rule];
        let constrained = order(rule, repetitions, Some(most));
        match constrained.draw(conditions, seed, number) {
            Ok(drawn) => {
                prop_assert_eq!(counts(&drawn, conditions), vec![repetitions as usize; conditions]);
                prop_assert!(longest_run(&drawn) <= most as usize);
                prop_assert_eq!(&drawn, &constrained.draw(conditions, seed, number).unwrap());
                if rule == OrderRule::Rounds {
                    for round in drawn.chunks(conditions) {
                        prop_assert_eq!(counts(round, conditions), vec![1; conditions]);
                    }
                }
            }
            // One condition is the only one that cannot be interrupted.
            Err(error) => prop_assert!(conditions == 1 && repetitions > most, "{}", error),
        }
    }
}

/// The same seed gives the same order in every version.
#[test]
fn orders_are_pinned() {
    let drawn = order(OrderRule::Random, 4, Some(2)).draw(3, 20, 1).unwrap();
    assert_eq!(drawn, [0, 1, 0, 1, 2, 2, 1, 1, 0, 2, 0, 2]);
    let words: Vec<u64> = (1..4).map(|number| protocol::stream(1, number, 2, 1).next_u64()).collect();
    assert_eq!(words, [4434980387758683164, 6236081322414616271, 6928455728909112657]);
    assert_eq!(order(OrderRule::Fixed, 2, None).draw(3, 1, 1).unwrap(), [0, 1, 2, 0, 1, 2]);
    assert_eq!(order(OrderRule::Williams, 1, None).draw(4, 1, 1).unwrap(), [0, 1, 3, 2]);
    assert_eq!(order(OrderRule::Williams, 1, None).draw(4, 1, 2).unwrap(), [1, 2, 0, 3]);
}

/// First trials and the pairs that follow one another are as frequent as they should be.
#[test]
fn random_orders_are_not_lopsided() {
    let (mut first, mut pairs, people) = ([0.0; 3], [[0.0; 3]; 3], 3000);
    for seed in 0..people {
        let drawn = order(OrderRule::Random, 10, Some(2)).draw(3, seed, 1).unwrap();
        first[drawn[0]] += 1.0;
        drawn.windows(2).for_each(|pair| pairs[pair[0]][pair[1]] += 1.0);
    }
    assert!(first.iter().all(|count| (count / people as f64 - 1.0 / 3.0).abs() < 0.03), "{first:?}");
    for a in 0..3 {
        let others: Vec<f64> = (0..3).filter(|b| *b != a).map(|b| pairs[a][b]).collect();
        assert!((others[0] / others[1] - 1.0).abs() < 0.05, "{pairs:?}");
    }
}

#[test]
fn blocks_are_counterbalanced_by_number() {
    let protocol = Protocol::parse(TWO_CHOICE, "two-choice.toml").unwrap();
    let names = |number| -> Vec<String> {
        let schedule = protocol.schedule_of(1, Some(number));
        schedule.blocks.into_iter().map(|scheduled| scheduled.block.name).collect()
    };
    let (first, second) = (names(1), names(2));
    assert_eq!(first[2..5], ["high contrast", "break", "low contrast"]);
    assert_eq!(second[2..5], ["low contrast", "break", "high contrast"]);
    assert_eq!(names(3), first);
    assert!(protocol.is_by_number());
    let BlockKind::Task(task) = &protocol.blocks[2].kind else { panic!() };
    assert_eq!((task.trials(), task.repeats, task.conditions[1].correct), (40, 2, Some(1)));
}

#[test]
fn what_contradicts_itself_is_refused_with_its_line() {
    for (from, to, says) in [
        ("keys = [\"left\", \"right\"]", "keys = [\"left\", \"rihgt\"]", "page_down"),
        ("correct = \"left\"", "correct = \"up\"", "left"),
        ("response = \"lean\"", "response = \"leen\"", "did you mean"),
        (
            "on_s = 0.2",
            "on_s = 0.2\ngate = { radius_deg = 1.0, stay_s = 0.2, timeout_s = 1.0, away_s = 0.1 }",
            "[gaze]",
        ),
        ("reject = [\"early\"", "reject = [\"artefact\", \"early\"", "[artefacts]"),
        ("most_in_a_row = 3", "most_in_a_row = 0", "most_in_a_row"),
        ("repetitions = 20", "repetitions = 2000", "duration_s is 180 s"),
        ("earliest_s = 0.1", "earliest_s = 2.0", "earliest_s"),
        ("least_s = 10.0 }", "least = 10.0 }", "least_s"),
        ("response = \"effort\" }", "response = \"next\" }", "rating"),
        ("shuffle = true\n[block.task]", "[block.task]", "order"),
        ("name = \"right\", stimulus", "name = \"left\", stimulus", "no other condition"),
    ] {
        let text = TWO_CHOICE.replacen(from, to, if from.starts_with("shuffle") { 2 } else { 1 });
        assert!(text != TWO_CHOICE, "{from}");
        let error = Protocol::parse(&text, "x.toml").unwrap_err();
        assert!(error.to_string().contains(says), "{says:?} is not in {error}");
        assert!(error.line().is_some(), "{error}");
    }
    let alone = TWO_CHOICE.replacen(
        "    { name = \"right\", stimulus = \"leans_right\", contrast = 0.1, correct = \"right\" },\n",
        "",
        1,
    );
    let error = Protocol::parse(&alone, "x.toml").unwrap_err().to_string();
    assert!(error.contains("no order of 1 conditions, 20 times each, has at most 3"), "{error}");
}
