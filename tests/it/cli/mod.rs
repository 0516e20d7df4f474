//! The program as people and scripts use it: the real binary against a real server process.

mod keys;
mod media;

use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::harness::process::{Process, command};
use crate::harness::{PATIENCE, client};

/// A server process with a data folder of its own.
struct Server {
    process: Process,
    data: TempDir,
}

/// How a command ended and what it said.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

async fn finish(mut command: Command) -> Ended {
    command.stdin(Stdio::null());
    tokio::time::timeout(PATIENCE, command.output())
        .await
        .expect("it ends")
        .expect("it starts")
        .into()
}

impl Server {
    async fn start() -> Self {
        let data = TempDir::new().expect("a folder");
        let process = Process::serve(data.path(), "127.0.0.1:0", &["--simulator-speed", "1000"]);
        Self { process: process.await, data }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.process.address)
    }

    /// A client command for this server.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command();
        command.args(arguments).env("TAILWATER_SERVER", self.url("")).stdout(Stdio::piped());
        command
    }

    async fn run(&self, arguments: &[&str]) -> Ended {
        finish(self.command(arguments)).await
    }

    async fn get(&self, path: &str) -> Value {
        client()
            .get(self.url(path))
            .send()
            .await
            .expect("an answer in JSON")
            .json()
            .await
            .expect("an answer in JSON")
    }

    async fn external(&self) -> String {
        let request = client().post(self.url("/api/jobs")).json(&json!({"kind": "external"}));
        let answer: Value = request
            .send()
            .await
            .expect("an answer in JSON")
            .json()
            .await
            .expect("an answer in JSON");
        answer["job_id"].as_str().expect("an id").to_owned()
    }

    /// Pushes events and waits until they are durable.
    async fn push(&self, job: &str, events: &[Value]) {
        let body: String = events.iter().map(|event| format!("{event}\n")).collect();
        let url = self.url(&format!("/api/jobs/{job}/events?durable=true"));
        let response = client().post(url).body(body).send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{}", response.text().await.expect("a body"));
    }

    async fn stop(self) {
        assert_eq!(self.process.terminate().await, Some(0));
    }
}

fn text(text: &str) -> Value {
    json!({ "type": "content", "data": { "text": text, "attempt": 1 } })
}

fn piece(offset: usize, text: &str) -> Value {
    json!({ "type": "content", "data": { "text": text, "offset": offset, "attempt": 1 } })
}

fn done() -> Value {
    json!({ "type": "completed", "data": {} })
}

async fn signal(child: &Child, name: &str) {
    let id = child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args([name, &id]).status().await.expect("kill runs").success());
}

async fn exit_code(mut child: Child) -> Option<i32> {
    tokio::time::timeout(PATIENCE, child.wait())
        .await
        .expect("it ends")
        .expect("it can be waited for")
        .code()
}

#[tokio::test]
async fn a_watched_submit_prints_the_post_and_nothing_else_on_standard_output() {
    let server = Server::start().await;
    let submit = ["submit", "blog", "The tides", "--words", "100", "--voiceover", "--watch"];
    let ended = server.run(&submit).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let jobs = server.get("/api/jobs").await;
    let job = jobs["jobs"][0]["id"].as_str().unwrap();
    let view = server.get(&format!("/api/jobs/{job}")).await;
    assert_eq!(ended.stdout.trim_end(), view["text"].as_str().unwrap().trim_end());
    // Who made it, how far it is, and where its files are is said beside it.
    assert!(ended.stderr.starts_with(&format!("{job}\n")), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("ready: ").count(), 3, "{}", ended.stderr);
    assert!(ended.stderr.contains(&server.url("/api/artifacts/file_")), "{}", ended.stderr);
    assert!(ended.stderr.contains("completed: "), "{}", ended.stderr);
    // Watched once more from the beginning, it is the same.
    let again = server.run(&["watch", job]).await;
    assert_eq!((again.code, again.stdout), (Some(0), ended.stdout));
    server.stop().await;
}

#[tokio::test]
async fn a_voiceover_reads_standard_input() {
    let server = Server::start().await;
    let mut child = server
        .command(&["submit", "voiceover", "-", "--watch"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all("Read this aloud.\nAnd this.\n".as_bytes()).await.unwrap();
    drop(stdin);
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends");
    let ended = Ended::from(ended.unwrap());
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.stderr.contains("ready: voice (audio/wav"), "{}", ended.stderr);
    let job = &server.get("/api/jobs").await["jobs"][0];
    assert_eq!(job["input"]["text"], "Read this aloud.\nAnd this.");
    let empty = server.run(&["submit", "voiceover", "-"]).await;
    assert_eq!(empty.code, Some(2), "{empty:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_submit_prints_the_jobs_id_or_the_whole_answer() {
    let server = Server::start().await;
    let ended = server.run(&["submit", "blog", "Rain", "--project", "weather"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let job = ended.stdout.trim_end();
    assert_eq!(server.get(&format!("/api/jobs/{job}")).await["project_id"], "weather");
    let ended = server.run(&["submit", "blog", "Snow", "--tone", "dry", "--json"]).await;
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(ended.stdout.lines().count(), 1);
    let view = server.get(answer["poll_url"].as_str().unwrap()).await;
    assert_eq!(view["input"]["tone"], "dry");
    server.stop().await;
}

#[tokio::test]
async fn the_exit_code_says_how_a_watched_job_ended() {
    let server = Server::start().await;
    let failed = json!({"type": "failed", "data": {"code": "no_paper", "message": "out of paper"}});
    let canceled = json!({"type": "canceled", "data": {"reason": "enough"}});
    for (end, code, said) in [
        (done(), 0, "completed"),
        (failed, 1, "failed: out of paper (no_paper)"),
        (canceled, 1, "canceled: enough"),
    ] {
        let job = server.external().await;
        server.push(&job, &[text("a text\n"), end]).await;
        for target in [job.clone(), server.url(&format!("/api/jobs/{job}/stream"))] {
            let ended = server.run(&["watch", &target]).await;
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), "a text\n"), "{ended:?}");
            assert!(ended.stderr.contains(said), "{}", ended.stderr);
        }
        // Nothing stands behind the end, and its exit code is still the same.
        let last = server.get(&format!("/api/jobs/{job}")).await["last_event_id"].to_string();
        let ended = server.run(&["watch", &job, "--after", &last]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{ended:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn every_event_is_a_line_of_json_for_a_script() {
    let server = Server::start().await;
    let job = server.external().await;
    let odd = json!({"type": "frame.done", "data": {"n": 1, "text": "two\nlines\u{1b}[2J"}});
    server.push(&job, &[odd, text("x"), done()]).await;
    let ended = server.run(&["watch", &job, "--json"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let lines: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["hello", "status", "status", "frame.done", "content", "completed"]);
    assert_eq!(lines[3]["data"]["text"], "two\nlines\u{1b}[2J");
    let ids: Vec<_> = lines.iter().skip(1).map(|line| line["id"].as_u64().unwrap()).collect();
    assert!(ids.is_sorted());
    let after = ids[2].to_string();
    let ended = server.run(&["watch", &job, "--json", "--after", &after]).await;
    assert_eq!(ended.stdout.lines().count(), 3, "hello and the two behind: {}", ended.stdout);
    server.stop().await;
}

#[tokio::test]
async fn a_watch_goes_on_over_a_server_that_dies_and_comes_back() {
    let server = Server::start().await;
    let job = server.external().await;
    server.push(&job, &[piece(0, "first, ")]).await;
    let mut watch = server.command(&["watch", &job]).stderr(Stdio::null()).spawn().unwrap();
    let mut stdout = watch.stdout.take().unwrap();
    let mut seen = [0; 7];
    stdout.read_exact(&mut seen).await.unwrap();
    assert_eq!(&seen, b"first, ");
    let Server { process, data } = server;
    let address = process.address.to_string();
    process.kill().await;
    let process = Process::serve(data.path(), &address, &[]).await;
    let server = Server { process, data };
    server.push(&job, &[piece(7, "second"), done()]).await;
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).await.unwrap();
    assert_eq!((rest.trim_end(), exit_code(watch).await), ("second", Some(0)));
    server.stop().await;
}

#[tokio::test]
async fn nobody_at_the_other_end_of_the_pipe_ends_a_watch_quietly() {
    let server = Server::start().await;
    let job = server.external().await;
    let mut watch =
        server.command(&["watch", &job, "--json"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    assert!(lines.next_line().await.unwrap().unwrap().contains("hello"));
    drop(lines);
    server.push(&job, &[text("for nobody")]).await;
    let mut stderr = watch.stderr.take().unwrap();
    assert_eq!(exit_code(watch).await, Some(141));
    let mut said = String::new();
    stderr.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "");
    // A table that nobody reads is no failure.
    for arguments in [&["jobs"][..], &["config"], &["completions", "bash"]] {
        let mut child = server.command(arguments).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(exit_code(child).await, Some(0), "{arguments:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_interrupted_watch_leaves_the_job_alone_and_says_how_to_return() {
    let server = Server::start().await;
    let job = server.external().await;
    server.push(&job, &[text("begun")]).await;
    let mut watch = server.command(&["watch", &job]).stderr(Stdio::piped()).spawn().unwrap();
    let mut seen = [0; 5];
    watch.stdout.as_mut().unwrap().read_exact(&mut seen).await.unwrap();
    signal(&watch, "-INT").await;
    let ended = tokio::time::timeout(PATIENCE, watch.wait_with_output()).await.expect("it ends");
    let ended = Ended::from(ended.unwrap());
    assert_eq!(ended.code, Some(130));
    assert!(ended.stderr.contains(&format!("`tailwater watch {job}`")), "{}", ended.stderr);
    assert_eq!(server.get(&format!("/api/jobs/{job}")).await["status"], "running");
    server.stop().await;
}

#[tokio::test]
async fn a_cancel_ends_a_job_and_tells_what_it_cannot_cancel() {
    let server = Server::start().await;
    let job = server.external().await;
    for _ in 0..2 {
        let ended = server.run(&["cancel", &job, "--reason", "wrong topic"]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
        assert!(ended.stderr.contains(&job), "{}", ended.stderr);
    }
    let view = server.get(&format!("/api/jobs/{job}")).await;
    assert_eq!((&view["status"], &view["reason"]), (&json!("canceled"), &json!("wrong topic")));
    let finished = server.external().await;
    server.push(&finished, &[done()]).await;
    let ended = server.run(&["cancel", &finished]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("completed"), "{}", ended.stderr);
    server.stop().await;
}

#[tokio::test]
async fn jobs_are_a_table_for_people_and_json_for_scripts() {
    let server = Server::start().await;
    let ended = server.run(&["jobs"]).await;
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (Some(0), "", "no job fits\n")
    );
    let job = server.external().await;
    server.run(&["submit", "blog", "How tides work", "--words", "60", "--watch"]).await;
    let ended = server.run(&["jobs"]).await;
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("JOB ") && lines[0].ends_with("ABOUT"), "{lines:?}");
    assert!(lines[1].contains("completed") && lines[1].ends_with("How tides work"), "{lines:?}");
    assert!(lines[2].starts_with(&job) && lines[2].contains("pending"), "{lines:?}");
    let ended = server.run(&["jobs", "--json", "--kind", "external", "--status", "pending"]).await;
    let page: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((page["jobs"].as_array().unwrap().len(), &page["jobs"][0]["id"]), (1, &json!(job)));
    let ended = server.run(&["jobs", "--limit", "1", "--json"]).await;
    let page: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(page["jobs"].as_array().unwrap().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn what_a_server_refuses_is_one_sentence_and_code_2() {
    let server = Server::start().await;
    for (arguments, part) in [
        (&["watch", "job_nobody"][..], "there is no job 'job_nobody'"),
        (&["watch", "nobody"], "names no job"),
        (&["cancel", "job_nobody"], "there is no job 'job_nobody'"),
        (&["submit", "blog", ""], "/input/topic must have 1 to 4000 characters"),
        (&["submit", "blog", "x", "--words", "7"], "/input/words must be a whole number from 50"),
        (&["submit", "blog", "x", "--project", "a b"], "/project_id must be"),
        (&["jobs", "--limit", "0"], "from 1 to 200"),
        (&["jobs", "--server", "nowhere"], "'nowhere' is not the address of a server"),
    ] {
        let ended = server.run(arguments).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains(part), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_one_sentence_with_what_to_do() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    for arguments in
        [&["jobs"][..], &["watch", "job_1"], &["submit", "blog", "x"], &["models"], &["credits"]]
    {
        let mut command = command();
        command.args(arguments).args(["--server", &address]);
        let ended = finish(command).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
        assert!(ended.stderr.contains(&address), "{ended:?}");
        assert!(ended.stderr.contains("`tailwater serve` starts one"), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
}

#[tokio::test]
async fn without_a_command_it_serves_and_says_so() {
    let data = TempDir::new().unwrap();
    let mut command = command();
    command.args(["--listen", "127.0.0.1:0", "--data"]).arg(data.path());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let address = line.strip_prefix("listening on ").unwrap().to_owned();
    assert_eq!(client().get(format!("{address}/healthz")).send().await.unwrap().status(), 200);
    signal(&child, "-INT").await;
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends");
    let ended = Ended::from(ended.unwrap());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for part in [format!("page       {address}/"), "simulated".into(), "once more to stop".into()] {
        assert!(ended.stderr.contains(&part), "{part:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_second_signal_ends_a_server_at_once() {
    let data = TempDir::new().unwrap();
    let mut command = command();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = stdout.next_line().await.unwrap().unwrap();
    let address = line.strip_prefix("listening on http://").unwrap();
    // A request that is not whole would be waited for.
    let mut half = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /api/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\nexpect: 100-continue\r\n\r\n";
    half.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    half.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    signal(&child, "-TERM").await;
    while let Some(line) = stderr.next_line().await.unwrap() {
        if line.starts_with("stopping") {
            break;
        }
    }
    signal(&child, "-TERM").await;
    assert_eq!(exit_code(child).await, Some(143));
}

#[tokio::test]
async fn migrate_makes_a_database_once_and_serves_nothing() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    for said in ["version 0 -> ", "is up to date"] {
        let mut command = command();
        command.args(["migrate", "--data"]).arg(&data);
        let ended = finish(command).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        assert!(ended.stdout.contains(said), "{}", ended.stdout);
    }
    assert!(data.join(tailwater::db::FILE).exists());
    let server = Process::serve(&data, "127.0.0.1:0", &[]).await;
    assert_eq!(server.terminate().await, Some(0));
}

#[tokio::test]
async fn every_command_has_help_and_every_shell_completions() {
    for (arguments, part) in [
        (&["--help"][..], "Examples:"),
        (&["-h"], "Commands:"),
        (&["help", "watch"], "--after"),
        (&["serve", "--help"], "TAILWATER_LISTEN"),
        (&["submit", "--help"], "fortune"),
        (&["submit", "blog", "--help"], "--voiceover"),
        (&["submit", "voiceover", "--help"], "standard input"),
        (&["watch", "--help"], "Ends with 0"),
        (&["cancel", "--help"], "--reason"),
        (&["jobs", "--help"], "--status"),
        (&["submit", "video", "--help"], "start_image=@portrait.png"),
        (&["submit", "image", "--help"], "--output"),
        (&["submit", "lipsync", "--help"], "NAME=@FILE"),
        (&["models", "--help"], "--mode"),
        (&["credits", "--help"], "spring campaign"),
        (&["credits", "ledger", "--help"], "--before"),
        (&["credits", "grant", "--help"], "--note"),
        (&["config", "--help"], "--json"),
        (&["migrate", "--help"], "--data"),
        (&["completions", "--help"], "zsh"),
        (&["backup", "--help"], "sha256sum"),
        (&["restore", "--help"], "--no-files"),
        (&["health", "--help"], "TAILWATER_SERVER"),
        (&["man"], ".TH tailwater 1"),
        (&["--version"], "tailwater 0."),
        (&["completions", "bash"], "complete -F"),
        (&["completions", "zsh"], "#compdef tailwater"),
        (&["completions", "fish"], "complete -c tailwater"),
        (&["completions", "powershell"], "Register-ArgumentCompleter"),
        (&["completions", "elvish"], "edit:completion"),
    ] {
        let mut command = command();
        command.args(arguments);
        let ended = finish(command).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(ended.stdout.contains(part), "{arguments:?}: {}", ended.stdout);
    }
}

#[tokio::test]
async fn every_command_has_a_page_of_the_manual() {
    let folder = TempDir::new().unwrap();
    let mut command = command();
    command.arg("man").arg("--dir").arg(folder.path());
    let ended = finish(command).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
    for (name, part) in [
        ("tailwater", "tailwater\\-serve(1)"),
        ("tailwater-serve", "TAILWATER_LISTEN"),
        ("tailwater-submit-blog", "voiceover"),
        ("tailwater-backup", "sha256sum"),
    ] {
        let page = std::fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
        assert!(page.contains(part), "{name}: {page}");
    }
    assert!(!folder.path().join("tailwater-loadtest-readers.1").exists(), "it is hidden");
}

#[tokio::test]
async fn health_tells_by_its_exit_code_whether_jobs_are_taken() {
    let server = Server::start().await;
    let well = server.run(&["health"]).await;
    assert_eq!((well.code, well.stdout.as_str()), (Some(0), "ready\n"), "{well:?}");
    let all: Value = serde_json::from_str(&server.run(&["health", "--json"]).await.stdout).unwrap();
    assert_eq!((&all["ready"], &all["reason"]), (&json!(true), &Value::Null), "{all}");
    let address = server.url("");
    drop(server);
    let gone = async {
        loop {
            let mut command = command();
            command.args(["health", "--server", &address]);
            let ended = finish(command).await;
            if ended.code != Some(0) {
                return ended;
            }
        }
    };
    let gone = tokio::time::timeout(PATIENCE, gone).await.unwrap();
    assert!(gone.code == Some(1) && gone.stderr.contains("no server answers"), "{gone:?}");
}
