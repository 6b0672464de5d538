//! Starting a unit of systemd.

use std::time::Duration;

use tokio::{process::Command, time::timeout};

use super::{
    Verdict,
    command::{self, Outcome},
};

/// `systemctl start UNIT`, which returns when the start of the unit is done: for `Type=oneshot` when its command has ended.
///
/// Exit code 0: started. What else it says (systemctl(1), *Exit status*) is that nothing was started, but for 1, behind which the
/// unit's `Result` tells whether its command ended by itself (systemd.exec(5), `$SERVICE_RESULT`).
pub(super) async fn start(unit: &str, limit: Duration) -> Verdict {
    let argv = ["systemctl", "start", "--", unit].map(str::to_owned);
    match command::run(&argv, Vec::new(), b"", limit).await {
        Outcome::Exited(0) => Verdict::Switched,
        Outcome::Exited(1) => match result(unit).await {
            Some(result) => judge(&result),
            None => Verdict::Unknown("it failed, and its result cannot be asked for".to_owned()),
        },
        Outcome::Exited(code) => Verdict::NotSwitched(format!("systemctl start ended with exit code {code}")),
        Outcome::NotStarted(why) => Verdict::NotSwitched(why),
        // The unit goes on without the client that started it.
        Outcome::Broken(why) => Verdict::Unknown(why),
    }
}

fn judge(result: &str) -> Verdict {
    let told = format!("it failed with the result {result}");
    match result {
        // The command ended with a code of its own, or was never run; `success` is one whose dependency failed.
        "exit-code" | "resources" | "start-limit-hit" | "exec-condition" | "success" => {
            Verdict::NotSwitched(told)
        }
        _ => Verdict::Unknown(told),
    }
}

async fn result(unit: &str) -> Option<String> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let asked = Command::new("systemctl")
        .args(["show", "--property=Result", "--value", "--", unit])
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, asked).await.ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_whose_command_was_broken_off_is_not_known() {
        for result in ["exit-code", "start-limit-hit", "resources"] {
            assert!(matches!(judge(result), Verdict::NotSwitched(_)), "{result}");
        }
        for result in ["timeout", "signal", "core-dump", "watchdog", "oom-kill"] {
            assert!(matches!(judge(result), Verdict::Unknown(_)), "{result}");
        }
    }
}
