//! What only a cluster can show: its nodes one by one.

use serde_json::{Value, json};

use crate::harness::{Reader, TestServer};

async fn events(server: &TestServer, node: std::net::SocketAddr, job: &str) -> Value {
    let url = format!("http://{node}/api/jobs/{job}/events?limit=1000");
    let answer = server.http.get(url).send().await.expect("an answer");
    answer.json::<Value>().await.expect("JSON")["events"].clone()
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/test runs it with TAILWATER_TEST_CLUSTER"]
async fn what_is_pushed_to_any_node_is_read_on_all_of_them_under_the_same_ids() {
    let server = TestServer::start().await;
    let nodes: Vec<_> = server.nodes().collect();
    let job = server.submit_external().await;
    let mut readers = Vec::new();
    for node in &nodes {
        let url = format!("http://{node}/api/jobs/{job}/stream");
        readers.push(Reader::open(&server.http, &url, None).await);
    }
    for seq in 1..=30_u64 {
        let node = nodes[usize::try_from(seq).expect("small") % nodes.len()];
        let event = json!({"type": "log", "data": {"line": seq.to_string()}, "producer_seq": seq});
        let url = format!("http://{node}/api/jobs/{job}/events");
        let answer = server.http.post(url).json(&event).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{seq}");
    }
    let end = json!({"type": "completed", "data": {}, "producer_seq": 31});
    assert_eq!(server.push(&job, &[end]).await.0, 200);
    let mut told = Vec::new();
    for mut reader in readers {
        let messages = reader.read_to_end().await;
        let ids: Vec<_> = messages.iter().filter_map(|message| message.id).collect();
        // Pending, running, thirty lines, the end.
        assert_eq!(ids.len(), 33);
        told.push(ids);
    }
    assert!(told.iter().all(|ids| *ids == told[0]));
    for node in &nodes {
        assert_eq!(events(&server, *node, &job).await, events(&server, nodes[0], &job).await);
    }
}
