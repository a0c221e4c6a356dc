//! Every WGSL file is valid, and the bytes of the uniform are where the shaders look for them.

use display::uniform::{CourseRow, FrameUniform, InstanceRow};

const FRAME: &str = include_str!("../../../shaders/frame.wgsl");

const LIGHT: &str = include_str!("../../../shaders/light.wgsl");

/// The stimulus pass without the frame's numbers, which `module` puts in front.
fn element() -> String {
    stimulus::own::plain_shader().replacen(FRAME, "", 1)
}

/// The governor's passes, the same.
fn governor() -> String {
    display::governor::GOVERNOR.replacen(FRAME, "", 1)
}

fn module(pass: &str) -> naga::Module {
    let wgsl = format!("{FRAME}{pass}");
    let module =
        naga::front::wgsl::parse_str(&wgsl).unwrap_or_else(|error| panic!("{}", error.emit_to_string(&wgsl)));
    naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty())
        .validate(&module)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(&wgsl)));
    module
}

#[test]
fn every_shader_of_the_folder_is_valid() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shaders");
    let mut passes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(path.extension().unwrap(), "wgsl", "{}", path.display());
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // What other passes are put together with; some are valid with it only.
        if ["frame", "light", "here", "own", "flashes", "stripes"].contains(&name.as_str()) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let text = match name.as_str() {
            "encode" => format!("{LIGHT}{text}"),
            "element" => element(),
            "governor" => governor(),
            _ => text,
        };
        // `cover` and the entry point that has the file's name; the governor has several passes.
        let entry = if name == "governor" { "decide" } else { &name };
        assert!(module(&text).entry_points.iter().any(|found| found.name == entry), "{name}");
        passes.push(name);
    }
    passes.sort();
    assert_eq!(passes, ["checksum", "element", "encode", "governor", "present", "retina"]);
}

#[test]
fn buffer_layouts_are_the_shaders_own() {
    let module = module(&element());
    for (name, size, layout) in [
        ("Frame", FrameUniform::SIZE, FrameUniform::LAYOUT),
        ("Instance", InstanceRow::SIZE, InstanceRow::LAYOUT),
        ("Course", CourseRow::SIZE, CourseRow::LAYOUT),
    ] {
        let (_, found) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name)).unwrap();
        let naga::TypeInner::Struct { members, span } = &found.inner else {
            panic!("{name} is a struct");
        };
        let mut fields: Vec<(&str, usize)> =
            members.iter().map(|member| (member.name.as_deref().unwrap(), member.offset as usize)).collect();
        fields.push(("", *span as usize));
        assert_eq!(fields, layout, "{name}");
        assert_eq!(*span as usize, size, "{name}");
    }
}

#[test]
fn the_governors_params_are_the_shaders_own() {
    let module = module(&governor());
    let (_, params) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Params")).unwrap();
    let naga::TypeInner::Struct { members, span } = &params.inner else {
        panic!("Params is a struct");
    };
    let found: Vec<&str> = members.iter().map(|member| member.name.as_deref().unwrap()).collect();
    assert_eq!(found, stimulus::safety::Params::NAMES);
    assert!(members.iter().enumerate().all(|(index, member)| member.offset as usize == 4 * index));
    assert_eq!(*span as usize, 4 * found.len());
}
