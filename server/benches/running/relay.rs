//! A relay in this process, which takes every mail at once, or hangs up on everybody.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// A mail that the relay has just taken.
pub struct Taken {
    pub at: Instant,
    pub to: String,
    /// What stands at the end of its subject.
    pub code: String,
}

/// Its threads end with the process.
pub struct Relay {
    pub address: SocketAddr,
    refuses: Arc<AtomicBool>,
    most_open: Arc<AtomicUsize>,
}

impl Relay {
    /// Calls `tell` with each mail, before its 250 goes out.
    pub fn start(tell: impl Fn(Taken) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let refuses = Arc::new(AtomicBool::new(false));
        let (open, most_open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (refusing, most) = (refuses.clone(), most_open.clone());
        let tell = Arc::new(tell);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if refusing.load(Ordering::SeqCst) {
                    continue;
                }
                let (open, tell) = (open.clone(), tell.clone());
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::spawn(move || {
                    // A client that hangs up has had what it wanted.
                    let _ = converse(stream, &*tell);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            address,
            refuses,
            most_open,
        }
    }

    /// The setting that leads a server here.
    pub fn setting(&self) -> String {
        format!("smtp.url=smtp://{}", self.address)
    }

    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    pub fn most_open(&self) -> usize {
        self.most_open.load(Ordering::SeqCst)
    }
}

/// As relays do, it offers pipelining (RFC 2920), and answers what was said at once at once.
fn converse(stream: TcpStream, tell: &dyn Fn(Taken)) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut answers = BufWriter::new(stream.try_clone()?);
    answers.write_all(b"220 relay.test ESMTP\r\n")?;
    let mut reader = BufReader::new(stream);
    let (mut line, mut to) = (String::new(), String::new());
    loop {
        if reader.buffer().is_empty() {
            answers.flush()?;
        }
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let answer: &[u8] = match line.get(..4) {
            Some("EHLO") => b"250-relay.test\r\n250 PIPELINING\r\n",
            Some("RCPT") => {
                let begin = line.find('<').map_or(0, |at| at + 1);
                let end = line.rfind('>').unwrap_or(line.len());
                line[begin..end].clone_into(&mut to);
                b"250 Yes\r\n"
            }
            Some("DATA") => {
                answers.write_all(b"354 Go on\r\n")?;
                answers.flush()?;
                let code = read_code(&mut reader)?;
                tell(Taken {
                    at: Instant::now(),
                    to: to.clone(),
                    code,
                });
                b"250 Taken\r\n"
            }
            _ => b"250 Yes\r\n",
        };
        answers.write_all(answer)?;
    }
}

/// Reads a message to its end.
fn read_code(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut code = String::new();
    for line in reader.lines() {
        let line = line?;
        if line == "." {
            break;
        }
        if let Some(subject) = line.strip_prefix("Subject: ") {
            subject
                .rsplit(' ')
                .next()
                .unwrap_or_default()
                .clone_into(&mut code);
        }
    }
    Ok(code)
}
