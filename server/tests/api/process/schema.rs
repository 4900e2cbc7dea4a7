//! Schema changes of the real binary, cut short.

use super::child::{Child, Folder, Port};
use crate::app::{EMAIL, PASSWORD};

#[tokio::test]
async fn schema_changes_that_a_kill_cut_short_are_completed_at_the_next_start() {
    for change in [
        "001_accounts_and_claims",
        "002_sessions",
        "003_budgets",
        "004_mail",
        "005_installation",
        "006_mail_owed_by_claims",
        "007_walked_tables",
        "008_verified_claims",
        "009_spent_codes",
    ] {
        let folder = Folder::new();
        let mut first = Child::start(folder.serve(&Port::free(), &Port::free()));
        first.has_logged(change).await;
        first.signal("KILL");
        let ended = first.ended().await;
        assert_eq!(ended.status.code(), None, "{ended:?}");
        let server = folder.server(|_| {}).await;
        let code = server.code_for(EMAIL, PASSWORD).await;
        server
            .verify(EMAIL, PASSWORD, &code)
            .await
            .assert_is(200, "");
        server.stop().await;
    }
}
