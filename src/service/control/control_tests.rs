#![allow(clippy::unwrap_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::{
    cutover::orders,
    pipeline::status::{Phase, StatusBoard},
};

#[tokio::test]
async fn a_task_answers_its_own_user_also_in_a_long_directory() {
    let directory = tempfile::tempdir().unwrap();
    let long = directory.path().join("a".repeat(120));
    std::fs::create_dir(&long).unwrap();
    for state_dir in [directory.path(), &long] {
        let board = StatusBoard::new("orders");
        board.update(|status| status.phase = Phase::Tailing);
        let (give, _taken) = orders();
        let control = listen(state_dir, board.clone(), give.clone()).unwrap();
        let mode = std::fs::metadata(state_dir.join("control.sock")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let client = Client::new(state_dir).unwrap();
        assert_eq!(client.status().await.unwrap().phase, Phase::Tailing);
        drop(control);
        let client = Client::new(state_dir).unwrap();
        assert!(matches!(client.status().await, Err(Unanswered::NotRunning)));
        // What a killed process has left is in nobody's way.
        std::fs::write(state_dir.join("control.sock"), "").unwrap();
        let _control = listen(state_dir, board, give).unwrap();
        assert!(client.status().await.is_ok());
    }
}
