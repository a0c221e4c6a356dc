//! Every WGSL file is valid, and the bytes of the uniform are where the shaders look for them.

use display::uniform;

const FRAME: &str = include_str!("../../../shaders/frame.wgsl");

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
    let mut passes = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(path.extension().unwrap(), "wgsl", "{}", path.display());
        if path.file_stem().unwrap() == "frame" {
            continue;
        }
        let module = module(&std::fs::read_to_string(&path).unwrap());
        // `cover` and the entry point that has the file's name.
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(module.entry_points.iter().any(|entry| entry.name == name), "{name}");
        passes += 1;
    }
    assert_eq!(passes, 4, "stimulus, retina, encode, governor");
}

#[test]
fn uniform_offsets_are_the_shaders_own() {
    let module = module("");
    let (_, frame) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Frame")).unwrap();
    let naga::TypeInner::Struct { members, span } = &frame.inner else {
        panic!("Frame is a struct");
    };
    let mut found: Vec<(&str, usize)> =
        members.iter().map(|member| (member.name.as_deref().unwrap(), member.offset as usize)).collect();
    found.push(("", *span as usize));
    assert_eq!(found, uniform::FIELDS);
    assert_eq!(*span as usize, uniform::SIZE);
}

#[test]
fn the_governors_params_are_the_shaders_own() {
    let module = module(include_str!("../../../shaders/governor.wgsl"));
    let (_, params) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Params")).unwrap();
    let naga::TypeInner::Struct { members, span } = &params.inner else {
        panic!("Params is a struct");
    };
    let found: Vec<&str> = members.iter().map(|member| member.name.as_deref().unwrap()).collect();
    assert_eq!(found, stimulus::safety::Params::NAMES);
    assert!(members.iter().enumerate().all(|(index, member)| member.offset as usize == 4 * index));
    assert_eq!(*span as usize, 4 * found.len());
}
