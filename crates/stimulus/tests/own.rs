//! Patterns of one's own: what a file may say, what it may not, and that its twin computes what is written.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

use proptest::prelude::*;
use proptest::sample::Index;
use stimulus::own::{Here, MOST_PARAMETERS, Own, Program};

const QUASICRYSTAL: &str = include_str!("../../../protocols/quasicrystal.wgsl");

const HERE: Here = Here { px: [12.0, -5.0], scale: 1.0, frame: 90, cycles: 0.25 };

fn own(parameters: &[f32]) -> Own {
    let mut all = [0.0; MOST_PARAMETERS];
    all[..parameters.len()].copy_from_slice(parameters);
    Own { program: 0, px_per_deg: 10.0, frame_s: 1.0 / 60.0, parameters: all, finest_per_px: 0.1 }
}

/// What a function body gives, with `a` and `b` as parameters.
fn value_of(body: &str, a: f32, b: f32) -> f64 {
    let text = format!(
        "struct Parameters {{\n/// -1000 to 1000\na: f32,\n/// -1000 to 1000\nb: f32,\n}}\n\
         fn value(here: Here, p: Parameters) -> f32 {{\n{body}\n}}\n"
    );
    let program = Program::read(&text, "t.wgsl").unwrap_or_else(|error| panic!("{error}\n{text}"));
    program.at(&own(&[a, b]), &HERE)
}

#[test]
fn a_file_declares_what_it_wants() {
    let program = Program::read(QUASICRYSTAL, "quasicrystal.wgsl").unwrap();
    let said: Vec<_> =
        program.parameters().iter().map(|p| (p.name.as_str(), p.low, p.high, p.absent)).collect();
    assert_eq!(said, [("sf_cpd", 0.1, 10.0, None), ("waves", 2.0, 12.0, Some(5.0))]);
    assert!(program.shader().contains("fn value(here: Here, parameters: Parameters)"));
    let none = Program::read("fn value(here: Here) -> f32 { return here.deg.x; }", "f.wgsl").unwrap();
    assert_eq!(
        (none.parameters().len(), none.at(&own(&[]), &Here { px: [3.0, 0.0], ..HERE })),
        (0, f64::from(0.3_f32))
    );
}

#[test]
fn the_twin_computes_the_sum_of_waves() {
    let program = Program::read(QUASICRYSTAL, "quasicrystal.wgsl").unwrap();
    for (sf, waves, px) in [(0.5, 7.0, [12.0, -5.0]), (1.3, 2.0, [-77.0, 31.0]), (4.0, 12.0, [0.0, 0.0])] {
        let expected: f64 = (0..waves as u32)
            .map(|i| {
                let angle = std::f64::consts::PI * f64::from(i) / waves;
                let along = (px[0] * angle.cos() + px[1] * angle.sin()) / 10.0;
                (std::f64::consts::TAU * (sf * along + 0.25)).cos()
            })
            .sum::<f64>()
            / waves;
        let here = Here { px: px.map(|at| at as f32), ..HERE };
        let found = program.at(&own(&[sf as f32, waves as f32]), &here);
        assert!((found - expected).abs() < 2e-5, "{found} {expected}");
    }
}

/// Each line is a body with two parameters, and what it has to give.
#[test]
fn the_language_means_what_it_says() {
    let close = [
        ("return 0.5 * p.a + p.b;", 0.6, 0.2, 0.5),
        ("return fract(p.a) - floor(p.b) * 0.25;", 1.75, 2.5, 0.25),
        ("return f32(i32(p.a) % 4) / 8.0 + f32(u32(p.b) >> 1u) / 16.0;", -7.0, 5.0, -0.25),
        ("return f32((u32(p.a) ^ 5u) & 3u) * 0.25;", 2.0, 0.0, 0.75),
        ("if p.a > p.b { return 0.25; } else if p.a == p.b { return 0.5; } return 0.75;", 1.0, 1.0, 0.5),
        (
            "switch i32(p.a) { case 1, 2: { return 0.1; } case 3: { break; } default: { return 0.3; } } return 0.2;",
            3.0,
            0.0,
            0.2,
        ),
        ("switch u32(p.a) { case 1u, 2u: { return 0.1; } default: { return 0.3; } }", 2.0, 0.0, 0.1),
        (
            "var s = 0.0; for (var i = 0; i < 10; i++) { if i == 2 { continue; } if f32(i) > p.a { break; } s += f32(i); } return s / 100.0;",
            5.0,
            0.0,
            0.13,
        ),
        (
            "var s = 0.0; for (var i = 10u; i > 2u; i -= 2u) { for (var j = 0; j <= 3; j = j + 1) { s += 1.0; } } return s / 64.0;",
            0.0,
            0.0,
            0.25,
        ),
        (
            "let v = vec3<f32>(p.a, p.b, 1.0); return dot(v, v.zyx) / 10.0 + length(v.xy) / 10.0;",
            3.0,
            4.0,
            0.5 + 1.7 + 0.0,
        ),
        (
            "let m = mat2x2<f32>(0.0, 1.0, -1.0, 0.0); let v = m * vec2(p.a, p.b); return v.x * 0.1 + v.y * 0.01;",
            3.0,
            4.0,
            -0.37,
        ),
        (
            "let v = vec2(p.a, p.b) * mat2x2<f32>(0.0, 1.0, -1.0, 0.0); return v.x * 0.1 + v.y * 0.01;",
            3.0,
            4.0,
            0.37,
        ),
        (
            "let m = mat2x2<f32>(1.0, 2.0, 3.0, 4.0) * mat2x2<f32>(0.0, 1.0, 1.0, 0.0); return m[0].x * 0.1 + m[1].y * 0.01;",
            0.0,
            0.0,
            0.32,
        ),
        ("let t = array<f32, 3>(0.1, 0.2, 0.4); return t[i32(p.a)] + t[u32(p.b)];", 1.0, 7.0, 0.6),
        (
            "var t = array<vec2<f32>, 2>(); t[i32(p.a)] = vec2(0.1, 0.2); t[0].y += 0.3; return t[1].x + t[0].y;",
            1.0,
            0.0,
            0.4,
        ),
        (
            "return select(0.1, 0.2, p.a > 0.0 && p.b > 0.0) + select(0.0, 0.5, any(vec2(p.a, p.b) < vec2(0.0)));",
            1.0,
            -1.0,
            0.6,
        ),
        (
            "return mix(0.0, 0.8 * p.a, 0.25) + step(p.a, p.b) * 0.1 + smoothstep(0.0, 2.0, p.a) * 0.1 + sign(p.b) * 0.01;",
            1.0,
            -2.0,
            0.2 + 0.05 - 0.01,
        ),
        (
            "return clamp(p.a, -0.5, 0.5) + max(p.b, 0.25) * 0.5 + saturate(-3.0) + abs(-0.125);",
            3.0,
            0.0,
            0.75,
        ),
        (
            "return cross(vec3(1.0, 0.0, 0.0), vec3(0.0, p.a, 0.0)).z * 0.5 + normalize(vec2(p.a, 0.0)).x * 0.25;",
            1.0,
            0.0,
            0.75,
        ),
        (
            "return sin(PI / 6.0) * cos(TAU / 6.0) + atan2(1.0, 1.0) / TAU + pow(2.0, -3.0);",
            0.0,
            0.0,
            0.25 + 0.125 + 0.125,
        ),
        ("return bitcast<f32>(bitcast<u32>(p.a) ^ 0x80000000u);", 0.5, 0.0, -0.5),
        (
            "return here.deg.x * 0.1 + here.deg.y + here.px.x * 0.01 + here.deg_per_px;",
            0.0,
            0.0,
            0.12 - 0.5 + 0.12 + 0.1,
        ),
        ("return here.s * 0.1 + f32(here.frame % 7u) * 0.01 + here.cycles;", 0.0, 0.0, 0.15 + 0.06 + 0.25),
        ("return p.a * 3.0;", 1.0, 0.0, 1.0),
        ("return sqrt(p.a);", -1.0, 0.0, 0.0),
        ("return p.a / p.b;", 1.0, 0.0, 0.0),
    ];
    for (body, a, b, expected) in close {
        let found = value_of(body, a, b);
        let expected = f64::clamp(expected, -1.0, 1.0);
        assert!((found - expected).abs() < 1e-5, "{body}: {found}, expected {expected}");
    }
}

#[test]
fn functions_structs_constants_and_pointers_are_written_out() {
    let text = "
        const STEPS = 4;
        const TABLE = array<f32, 4>(0.1, 0.2, 0.3, 0.4);
        struct Pair { first: f32, rest: vec2<f32>, }
        fn pair(x: f32) -> Pair { var q: Pair; q.first = x; q.rest = vec2(2.0 * x, 3.0 * x); return q; }
        fn add(to: ptr<function, f32>, x: f32) { *to += x; }
        fn early(x: f32) -> f32 { for (var i = 0; i < STEPS; i++) { if f32(i) >= x { return TABLE[i]; } } return 0.0; }
        fn value(here: Here) -> f32 {
            var sum = 0.0;
            let q = pair(0.01);
            add(&sum, q.rest.y + q.first);
            for (var i = 0; i < STEPS; i++) { add(&sum, 0.001); }
            return sum + early(1.5) + early(9.0);
        }";
    let program = Program::read(text, "t.wgsl").unwrap();
    let found = program.at(&own(&[]), &HERE);
    assert!((found - 0.344).abs() < 1e-6, "{found}");
}

/// Each line: what stands in place of a right file, and what its error has to say.
#[test]
fn what_is_refused_is_said_with_its_place() {
    let parameters = |inside: &str| {
        format!(
            "struct Parameters {{\n{inside}\n}}\nfn value(here: Here, p: Parameters) -> f32 {{ return 0.0; }}"
        )
    };
    let body = |inside: &str| format!("fn value(here: Here) -> f32 {{\n{inside}\n}}");
    let beside = |outside: &str| format!("{outside}\nfn value(here: Here) -> f32 {{ return 0.0; }}");
    let table = (0..999).map(|n| format!("-{n}.5, ")).collect::<String>();
    Program::read(&beside(&format!("const TABLE = array<f32, 999>({table});")), "f.wgsl").unwrap();
    let rows = [
        (
            body(&format!("return here.s{};", "\n+1.0".repeat(1_001))),
            "f.wgsl:1002:1: more than 1000 operators in one expression",
        ),
        (
            body(&format!("if here.s > 0.0 {{ }} {} return 1.0;", "else if here.s > 0.0 { }\n".repeat(257))),
            "f.wgsl:258:1: more than 256 times `else`",
        ),
        (
            "".to_owned(),
            "f.wgsl:1:1: missing: wanted is `fn value(here: Here, parameters: Parameters) -> f32`",
        ),
        (body("return 1.0"), "f.wgsl:3:1: expected `;`, found"),
        (body("return 1u;"), "f.wgsl:2:8: "),
        (body("let x = there;\nreturn x;"), "f.wgsl:2:9: no definition in scope for identifier: `there`"),
        (body("return frame.size_px.x;"), "no definition in scope for identifier: `frame`"),
        (
            beside("@group(0) @binding(1) var<storage, read> stolen: array<f32>;"),
            "f.wgsl:1:23: `stolen`: a file has no variables or bindings",
        ),
        (beside("var<private> kept: f32;"), "`kept`: a file has no variables or bindings of its own"),
        (
            beside("override gain: f32 = 1.0;"),
            "`override gain`: what can be set stands in `struct Parameters`",
        ),
        (
            beside("@fragment fn main() -> @location(0) vec4<f32> { return vec4<f32>(); }"),
            "`main`: a file has no entry points",
        ),
        (
            beside("fn window() -> f32 { return 1.0; }"),
            "f.wgsl:1:4: `window` is a name of Photic's shader; choose another",
        ),
        (
            beside("const courses = 3;"),
            "f.wgsl:1:7: beside Photic's shader, whose names and WGSL's cannot be used: redefinition of `courses`",
        ),
        (beside("const sqrt = 3;"), "beside Photic's shader, whose names and WGSL's cannot be used: "),
        (beside("struct Frame { x: f32 }"), "`Frame` is a name of Photic's shader"),
        (beside("fn cos(x: f32) -> f32 { return x; }"), "f.wgsl:1:4: `cos` is a name of WGSL itself"),
        (beside("alias f32 = i32;"), "f.wgsl:"),
        (beside("const PI = 3.0;"), "f.wgsl:1:7: redefinition of `PI`"),
        (beside("enable f16;"), "f.wgsl:1:"),
        ("fn value(x: f32) -> f32 { return x; }".to_owned(), "f.wgsl:1:"),
        ("fn value(here: Here) -> vec2<f32> { return here.deg; }".to_owned(), "`fn value`: wanted is"),
        (body("loop { }\nreturn 1.0;"), "f.wgsl:2:"),
        (
            body("loop { if here.s > 1.0 { break; } }\nreturn 1.0;"),
            "f.wgsl:2:1: a loop has to count from one whole constant to another",
        ),
        (body("while here.s > 1.0 { }\nreturn 1.0;"), "a loop has to count"),
        (body("for (var i = 0; i < 4; ) { }\nreturn 1.0;"), "a loop has to count"),
        (body("for (var i = 0; i < 4; i--) { }\nreturn 1.0;"), "a loop has to count"),
        (body("for (var i = 0; i < 4; i++) { i = 0; }\nreturn 1.0;"), "a loop has to count"),
        (body("for (var i = 0u; i >= 0u; i--) { }\nreturn 1.0;"), "a loop has to count"),
        (body("let n = i32(here.s); for (var i = n; i < 4; i++) { }\nreturn 1.0;"), "a loop has to count"),
        (body("let n = i32(here.s); for (var i = 0; i < n; i++) { }\nreturn 1.0;"), "a loop has to count"),
        (body("for (var x = 0.0; x < 1.0; x += 0.1) { }\nreturn 1.0;"), "a loop has to count"),
        (body("for (var i = 0; i < 2147483647; i += 2) { }\nreturn 1.0;"), "a loop has to count"),
        (
            body("var s = 0.0; for (var i = 0; i < 100000; i++) { s += 1.0; }\nreturn s;"),
            "steps for a point with the 100000 rounds of this loop, allowed are 65536",
        ),
        (
            body(
                "var s = 0.0; for (var i = 0; i < 300; i++) { for (var j = 0; j < 300; j++) { s += 1.0; } }\nreturn s;",
            ),
            "rounds of this loop",
        ),
        (body("return dpdx(here.deg.x);"), "f.wgsl:2:8: "),
        (body("if here.s > 1.0 { discard; }\nreturn 1.0;"), "`discard`: the CPU twin has no such thing"),
        (
            body("return determinant(mat2x2<f32>(1.0, 0.0, 0.0, 1.0));"),
            "the function Determinant: the CPU twin has no such thing",
        ),
        (body("return value(here);"), "f.wgsl:"),
        (
            parameters("a: f32,"),
            "f.wgsl:2:1: parameter `a`: the line before it has to say what is allowed, as in `/// 0.1 to 10`",
        ),
        (parameters("/// 1 to 0\na: f32,"), "f.wgsl:3:1: parameter `a`: 1 to 0 is no range"),
        (parameters("/// 0 to 1, 2 if absent\na: f32,"), "parameter `a`: 2 if absent is not within 0 to 1"),
        (parameters("/// 0 to 1, 2\na: f32,"), "parameter `a`: the line before it"),
        (parameters("/// 0 to nan\na: f32,"), "parameter `a`: NaN is no f32"),
        (parameters("/// 0 to 1\na: i32,"), "f.wgsl:3:1: parameter `a`: allowed is f32"),
        (parameters("/// 0 to 1\na: vec2<f32>,"), "parameter `a`: allowed is f32"),
        (
            parameters(&(0..17).map(|n| format!("/// 0 to 1\np{n}: f32,\n")).collect::<String>()),
            "17 parameters, allowed are 16",
        ),
        (
            "struct Parameters {\n/// 0 to 1\na: f32 }\nfn value(here: Here) -> f32 { return 0.0; }"
                .to_owned(),
            "`fn value` takes no parameters, but the file declares 1",
        ),
        (format!("//{}", "x".repeat(70_000)), "f.wgsl:1:1: the file has 70002 bytes, allowed are 65536"),
    ];
    let mut wrong = String::new();
    for (text, says) in rows {
        let error = Program::read(&text, "f.wgsl").expect_err(&text).to_string();
        if !error.contains(says) {
            wrong += &format!("{text}\n  says:   {error}\n  should: {says}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn calls_that_grow_are_refused_in_time() {
    // Each function calls the one before twice: 2^n steps when written out.
    let mut text = String::from("fn g0(x: f32) -> f32 { return x + 1.0; }\n");
    for n in 1..31 {
        text += &format!("fn g{n}(x: f32) -> f32 {{ return g{0}(x) + g{0}(x + 1.0); }}\n", n - 1);
    }
    text += "fn value(here: Here) -> f32 { return g30(here.s); }";
    let error = Program::read(&text, "f.wgsl").unwrap_err().to_string();
    assert!(error.contains("more than"), "{error}");
    let mut deep = String::from("fn g0(x: f32) -> f32 { return x + 1.0; }\n");
    for n in 1..400 {
        deep += &format!("fn g{n}(x: f32) -> f32 {{ return g{}(x); }}\n", n - 1);
    }
    deep += "fn value(here: Here) -> f32 { return g399(here.s); }";
    let error = Program::read(&deep, "f.wgsl").unwrap_err().to_string();
    assert!(error.contains("deep"), "{error}");
}

/// What is nested as deep as a file has room for is an answer, not the end of the stack.
#[test]
fn deep_files_get_an_answer() {
    let body = |inside: String| format!("fn value(here: Here) -> f32 {{\n{inside}\n}}");
    let many = |part: &str, count: usize| part.repeat(count);
    for text in [
        body(format!("return {}1.0{};", many("(", 30_000), many(")", 30_000))),
        body(format!("return {}1.0;", many("-", 60_000))),
        body(format!("return {}true;", many("!", 60_000))),
        body(format!("{}{} return 1.0;", many("{", 30_000), many("}", 30_000))),
        body(format!("{}{} return 1.0;", many("if true {", 5_000), many("}", 5_000))),
        body(format!("return 1.0{};", many("+1.0", 16_000))),
        body(format!("return here.s{};", many("+here.s", 9_000))),
        body(format!("return f32(true{});", many("&&true", 10_000))),
        body(format!("return f32(here.s>0{});", many("&&here.s>0", 6_000))),
        body(format!("return {}here.s{};", many("abs(", 12_000), many(")", 12_000))),
        body(format!("let x = here.deg{}; return x;", many(".xy", 20_000))),
        body(format!("if here.s > 0 {{ }} {} return 1.0;", many("else if here.s > 0 {}", 3_000))),
        body(format!("var x: {}f32{}; return 1.0;", many("array<", 9_000), many(",1>", 9_000))),
        body(many("var x: array<f32, 2000>;", 2_000)),
        format!(
            "const A0 = 1.0; {} {}",
            (1..3_000).map(|n| format!("const A{n} = A{};", n - 1)).collect::<String>(),
            body("return A2999;".into())
        ),
        format!(
            "struct S0 {{ x: f32 }} {} {}",
            (1..1_500).map(|n| format!("struct S{n} {{ x: S{} }} ", n - 1)).collect::<String>(),
            body("var s: S1499; return 1.0;".into())
        ),
        body(format!("return {}true;", many("!", 900))),
        body(format!("return 1.0{};", many("+1.0", 900))),
        body(format!("return here.s{};", many("+here.s", 900))),
        body(format!("return f32(here.s>0{});", many("&&here.s>0", 450))),
        body(format!("let x = here.deg{}; return x.x;", many(".xy", 900))),
        body(format!("return TABLE{};", many("[0]", 900))),
        body(format!("if here.s > 0 {{ }} {} return 1.0;", many("else if here.s > 0 {}", 250))),
        many("@", 60_000),
        many("/*", 30_000),
        many("fn a() {", 8_000),
    ] {
        let start = text.chars().take(60).collect::<String>();
        if let Ok(program) = Program::read(&text, "f.wgsl") {
            assert!(program.at(&own(&[]), &HERE).is_finite(), "{start}");
        }
    }
}

/// Files that were damaged: those that still pass are run.
const SEEDS: [&str; 2] = [QUASICRYSTAL, "
const N = 3;
const TABLE = array<f32, 4>(0.1, 0.2, 0.3, 0.4);
struct Parameters {
    /// 0 to 1, 0.5 if absent
    gain: f32,
    /// -10 to 10
    offset_deg: f32,
}
struct Pair { first: f32, rest: vec2<f32>, }
fn pair(x: f32) -> Pair { var q: Pair; q.first = x; q.rest = vec2(2.0 * x, 3.0 * x); return q; }
fn add(to: ptr<function, f32>, x: f32) { *to += x; }
fn value(here: Here, p: Parameters) -> f32 {
    var sum = pair(p.gain).rest.y;
    let m = mat2x2<f32>(0.0, 1.0, -1.0, 0.0);
    let v = m * (here.deg - vec2(p.offset_deg));
    for (var i = 0u; i < N; i++) {
        switch i { case 0u: { add(&sum, TABLE[i32(here.frame) % 5]); } default: { sum = select(sum, -sum, v.x > 0.0 && v.y < 1.0); } }
    }
    return clamp(sum, -1.0, 1.0) * smoothstep(0.0, 1.0, length(v)) / f32(here.frame & 3u);
}
"];

const TOKENS: [&str; 40] = [
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "<",
    ">",
    ";",
    ":",
    ",",
    "/",
    "/*",
    "*/",
    "///",
    "0",
    "1",
    "-1",
    "4294967295u",
    "1e38",
    "0x1p-149",
    "f32",
    "vec4<f32>",
    "array<f32, 99999999>",
    "i",
    "here",
    "p",
    "sum",
    "value",
    "for",
    "loop",
    "return",
    "var",
    "let",
    "fn",
    "struct",
    "@",
    "&",
    "*",
    "\u{1f300}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn damaged_files_never_panic_and_what_passes_ends(
        seed in 0..2_usize,
        damages in prop::collection::vec((0..4_u8, any::<Index>(), any::<Index>(), any::<Index>()), 1..5),
    ) {
        let mut text: Vec<char> = SEEDS[seed].chars().collect();
        for (kind, at, length, other) in damages {
            let from = at.index(text.len());
            let to = (from + length.index(12)).min(text.len());
            let token = TOKENS[other.index(TOKENS.len())].chars();
            match kind {
                0 => drop(text.drain(from..to)),
                1 => drop(text.splice(from..to, token)),
                2 => drop(text.splice(from..from, token)),
                _ => {
                    let part = text[from..to].to_vec();
                    let place = other.index(text.len());
                    text.splice(place..place, part);
                }
            }
            if text.is_empty() {
                break;
            }
        }
        let text: String = text.into_iter().collect();
        match Program::read(&text, "f.wgsl") {
            Ok(program) => {
                let found = program.at(&own(&[0.5, 3.0]), &HERE);
                prop_assert!((-1.0..=1.0).contains(&found), "{found}\n{text}");
            }
            Err(error) => {
                let line = text.split('\n').nth(error.line - 1);
                prop_assert!(line.is_some_and(|line| error.column <= line.chars().count() + 1), "{error}\n{text}");
            }
        }
    }
}
