//! What the fuzz targets are fed with, and what they have found, run again: `fuzz/corpus/TARGET` has a file
//! for each input, `fuzz/src/targets` has the functions.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

#[expect(unreachable_pub, reason = "they are public in the package that fuzzes")]
#[path = "../../../../fuzz/src/targets/mod.rs"]
mod targets;

#[test]
fn every_input_of_every_fuzz_target_keeps_its_laws() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, run) in targets::ALL {
        let files = fs::read_dir(corpora.join(name)).unwrap();
        let mut count = 0;
        for file in files {
            let path = file.unwrap().path();
            let input = fs::read(&path).unwrap();
            let kept = catch_unwind(AssertUnwindSafe(|| run(&input)));
            assert!(kept.is_ok(), "{}", path.display());
            count += 1;
        }
        assert!(count > 2, "{name} has a corpus");
    }
}

#[test]
fn every_target_is_one_that_can_be_hunted_with() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
    for (name, _) in targets::ALL {
        let file = fs::read_to_string(folder.join(format!("{name}.rs"))).unwrap();
        assert!(file.contains(&format!("targets::{name}::run")), "{name}");
    }
    let all = fs::read_dir(folder).unwrap().count();
    assert_eq!(all, targets::ALL.len(), "a target is missing from the list");
}
