//! What a service manager is told.

use tokio::net::UnixDatagram;
use tokio::time::timeout;

use super::PATIENCE;
use super::child::Folder;

#[tokio::test]
async fn a_supervisor_hears_when_it_serves_and_when_it_stops() {
    let folder = Folder::new();
    let address = folder.path().join("notify");
    let supervisor = UnixDatagram::bind(&address).unwrap();
    let server = folder
        .server(|command| {
            command.env("NOTIFY_SOCKET", &address);
        })
        .await;
    assert_eq!(told(&supervisor).await, "READY=1\n");
    server.stop().await;
    assert_eq!(told(&supervisor).await, "STOPPING=1\n");
}

async fn told(supervisor: &UnixDatagram) -> String {
    let mut message = [0; 256];
    let length = timeout(PATIENCE, supervisor.recv(&mut message))
        .await
        .expect("nothing was told")
        .unwrap();
    String::from_utf8_lossy(&message[..length]).into_owned()
}
