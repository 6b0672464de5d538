#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::{fs, time::Duration};

use fail::FailScenario;
use serde_json::Value;
use tokio::time::sleep;

use super::{
    world::{Ended, World},
    *,
};
use crate::{
    config::{After, Interrupted, When},
    pipeline::{fakes::at, tail::End},
    positions::{CutoverStep, Store},
};

#[tokio::test]
async fn the_command_runs_once_and_is_told_everything() {
    let mut world = World::new("");
    let (told, environment) = (world.file("told"), world.file("environment"));
    world.settings.command[2] =
        format!("cat >> {}; env | grep ^SLACKWATER_ >> {}", told.display(), environment.display());
    assert_eq!(world.run().await.unwrap(), Ended::Tail(End::CutOver));
    let description: Value = serde_json::from_slice(&fs::read(&told).unwrap()).unwrap();
    for (pointer, expected) in [
        ("/task", Value::from("orders")),
        ("/attempt", Value::from(1)),
        ("/position/text", Value::from(at(5).to_string())),
        ("/writers/0/id", Value::from("connection 42")),
        ("/objects_refused/0", Value::from("view shop.broken: no such column")),
        ("/generation", Value::from(2)),
        ("/reverse/task", Value::from("back")),
        ("/reverse/position/text", Value::from(at(7).to_string())),
        ("/durations/0/step", Value::from("fencing")),
    ] {
        assert_eq!(description.pointer(pointer), Some(&expected), "{pointer} in {description}");
    }
    let environment = fs::read_to_string(&environment).unwrap();
    for line in ["SLACKWATER_TASK=orders", "SLACKWATER_FILE=binlog.000001", "SLACKWATER_OFFSET=504"] {
        assert!(environment.lines().any(|told| told == line), "{line} in {environment}");
    }
    let scene = world.scene.lock().unwrap().clone();
    assert!(scene.is_fenced && scene.has_trigger && scene.is_reversed, "{scene:?}");
    assert_eq!(world.held.lock().unwrap().checkpoint.as_ref().unwrap().generation, 2, "raised by the switch");

    let before = fs::read(&told).unwrap();
    assert_eq!(world.run().await.unwrap(), Ended::Done, "not again after a restart");
    assert_eq!(fs::read(&told).unwrap(), before);
}

#[tokio::test]
async fn a_daemon_that_is_killed_at_any_step_takes_back_or_brings_to_the_end() {
    use CutoverStep::{Draining, Fencing, Hooks, Reversing, RollingBack, Switching, Verifying};
    let scenario = FailScenario::setup();
    for step in [Fencing, Draining, Verifying, Switching, Hooks, Reversing, RollingBack] {
        for side in ["before", "after"] {
            let mut world = World::new("");
            let ran = world.file("ran");
            let code = if step == RollingBack { 3 } else { 0 };
            world.settings.command[2] = format!("echo x >> {}; exit {code}", ran.display());
            let point = format!("cutover::{}::{side}", step.name().replace(' ', "-"));
            fail::cfg(&point, "return(hang)").unwrap();
            let process = world.start();
            process.reaches(step).await;
            sleep(Duration::from_millis(300)).await;
            process.kill().await;
            fail::remove(&point);

            assert_eq!(world.step(), step, "{point}");
            world.settings.when = When::Manual;
            let times = |count: usize| {
                let found = fs::read_to_string(&ran).unwrap_or_default().lines().count();
                assert_eq!(found, count, "{point}");
            };
            match step {
                Reversing => {
                    assert_eq!(world.run().await.unwrap(), Ended::Done, "{point}");
                    let scene = world.scene.lock().unwrap().clone();
                    assert!(scene.is_fenced && scene.is_reversed, "{point}: {scene:?}");
                    times(1);
                    continue;
                }
                Hooks => {
                    let error = world.run().await.unwrap_err();
                    assert!(!error.is_transient() && error.to_string().contains("--accept"), "{error}");
                    assert!(world.scene.lock().unwrap().is_fenced, "{point}");
                    undo(&Store::open(world.state.path()).unwrap()).unwrap();
                }
                _ => {}
            }
            let process = world.start();
            world.goes_on().await;
            process.reaches(CutoverStep::Waiting).await;
            process.kill().await;
            let scene = world.scene.lock().unwrap().clone();
            assert!(scene.is_untouched(), "{point}: {scene:?}");
            times(usize::from(step == RollingBack || (step == Hooks && side == "after")));
        }
    }
    scenario.teardown();
}

#[tokio::test]
async fn what_an_operator_accepts_is_brought_to_its_end() {
    let world = World::new("sleep 60");
    let error = world.run().await.unwrap_err();
    assert!(error.to_string().contains("did not end within 1s and was killed"), "{error}");
    assert_eq!(world.step(), CutoverStep::Undecided);
    assert!(world.run().await.is_err(), "nothing happens before an operator has decided");
    accept(&Store::open(world.state.path()).unwrap()).unwrap();
    assert_eq!(world.run().await.unwrap(), Ended::Done);
    let scene = world.scene.lock().unwrap().clone();
    assert!(scene.is_fenced && scene.is_reversed, "{scene:?}");
    assert!(accept(&Store::open(world.state.path()).unwrap()).is_err(), "nothing waits for it any more");
}

#[tokio::test]
async fn hooks_that_can_be_repeated_run_again() {
    let scenario = FailScenario::setup();
    let mut world = World::new("");
    let ran = world.file("ran");
    world.settings.command[2] = format!("cat >> {}", ran.display());
    world.settings.interrupted = Interrupted::Repeat;
    fail::cfg("cutover::hooks::after", "return(hang)").unwrap();
    let process = world.start();
    process.reaches(CutoverStep::Hooks).await;
    sleep(Duration::from_millis(300)).await;
    process.kill().await;
    fail::remove("cutover::hooks::after");
    let first = fs::read_to_string(&ran).unwrap();
    assert_eq!(world.run().await.unwrap(), Ended::Done);
    assert_eq!(fs::read_to_string(&ran).unwrap(), first.repeat(2), "with the same words");
    scenario.teardown();
}

#[tokio::test]
async fn what_fails_in_front_of_the_switch_is_taken_back_with_the_reason() {
    type Case = (fn(&mut World), &'static str);
    let cases: [Case; 5] = [
        (|world| world.settings.command[2] = "exit 3".to_owned(), "exit code 3"),
        (|world| world.settings.command[0] = "/no/such/program".to_owned(), "could not be started"),
        (|world| world.scene.lock().unwrap().leaks = 20, "somebody still writes to the source"),
        (
            |world| {
                world.scene.lock().unwrap().closes_in = Duration::from_secs(5);
                world.settings.downtime = Duration::from_millis(200);
            },
            "cutover.downtime",
        ),
        (|world| world.scene.lock().unwrap().has_prepared_transaction = true, "prepared transaction x"),
    ];
    for (arrange, why) in cases {
        let mut world = World::new("true");
        arrange(&mut world);
        let process = world.start();
        let note = process.reaches(CutoverStep::Waiting).await;
        assert!(note.contains(why), "{note}");
        world.goes_on().await;
        assert!(world.scene.lock().unwrap().is_untouched(), "{why}");
        process.kill().await;
    }
}

#[tokio::test]
async fn an_operator_rehearses_cancels_and_cuts_over() {
    let mut world = World::new("true");
    world.settings.when = When::Manual;
    world.settings.after = After::Continue;
    let process = world.start();
    world.goes_on().await;
    assert!(process.orders.give(Order::Cancel).await.is_err(), "nothing is under way");

    assert_eq!(process.orders.give(Order::Begin { dry_run: true }).await, Ok(1));
    let note = process.reaches(CutoverStep::Waiting).await;
    assert!(note.starts_with("dry run: nothing stands in the way"), "{note}");
    assert!(world.scene.lock().unwrap().is_untouched());

    world.scene.lock().unwrap().closes_in = Duration::from_secs(60);
    assert_eq!(process.orders.give(Order::Begin { dry_run: false }).await, Ok(2));
    process.reaches(CutoverStep::Fencing).await;
    assert!(process.orders.give(Order::Begin { dry_run: false }).await.is_err(), "one at a time");
    assert_eq!(process.orders.give(Order::Cancel).await, Ok(2));
    let note = process.reaches(CutoverStep::Waiting).await;
    assert!(note.contains("an operator cancelled it"), "{note}");
    assert!(world.scene.lock().unwrap().is_untouched());

    world.scene.lock().unwrap().closes_in = Duration::ZERO;
    assert_eq!(process.orders.give(Order::Begin { dry_run: false }).await, Ok(3));
    process.reaches(CutoverStep::Done).await;
    assert!(process.orders.give(Order::Begin { dry_run: false }).await.is_err(), "cut over already");
    process.kill().await;
}

#[tokio::test]
async fn a_log_that_does_not_grow_is_cut_over_at_its_end() {
    let world = World::new("true");
    let log =
        crate::pipeline::fakes::FakeSource { follow: false, ..crate::pipeline::fakes::FakeSource::new(5) };
    let world = World { log: std::sync::Arc::new(log), ..world };
    assert_eq!(world.run().await.unwrap(), Ended::Tail(End::CutOver));
    assert_eq!(world.step(), CutoverStep::Done);
}

#[tokio::test]
async fn a_stop_in_the_middle_opens_the_source_before_the_end() {
    let world = World::new("true");
    world.scene.lock().unwrap().closes_in = Duration::from_secs(60);
    let process = world.start();
    process.reaches(CutoverStep::Fencing).await;
    assert_eq!(process.stop().await.unwrap(), Ended::Tail(End::Stopped));
    assert!(world.scene.lock().unwrap().is_untouched());
    assert_eq!(world.step(), CutoverStep::Waiting);
}
