//! What one connection may hold, and for how long.
//!
//! Between the socket and axum-server stands a [`Gate`]. It gives each [`Connection`] one of the
//! [`Places`], closes it when nothing happens on it, and passes the rest on.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::Request;
use axum_server::accept::Accept;
use axum_server::{Address, Server};
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep};
use tower::Service;

use super::limits::TimeLimits;
use super::places::{Place, Places};

/// What hyper reads ahead on a connection, in bytes. A head of more than this is answered by hyper
/// itself, bare.
const BUFFER: usize = 64 * 1024;

/// What is held of an answer ahead of a client that takes it slowly, in bytes: a hundred at a time
/// on one connection must not be much.
pub(super) const CHUNK: usize = 16 * 1024;

/// Requests at a time on one HTTP/2 connection; RFC 9113 §6.5.2 asks for 100 at least.
const STREAMS: u32 = 100;

/// Lets connections in, or closes them at once.
#[derive(Clone)]
pub struct Gate {
    places: Arc<Places>,
    limits: TimeLimits,
}

impl Gate {
    /// Several gates may share the same places.
    #[must_use]
    pub fn new(places: Arc<Places>, limits: TimeLimits) -> Self {
        Self { places, limits }
    }

    /// Sets what hyper itself can hold clients to.
    ///
    /// That a client resets its requests as fast as it makes them (CVE-2023-44487) is for h2's own
    /// limits: 20 of them that nobody has looked at, 1,024 that h2 itself had to reset. Pings of
    /// ours would find out no more than [`TimeLimits::idle`] does.
    #[must_use]
    pub fn guard<A: Address, Acceptor>(
        &self,
        mut server: Server<A, Acceptor>,
    ) -> Server<A, Acceptor> {
        const WINDOW: u32 = BUFFER as u32;
        let builder = server.http_builder();
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_buf_size(BUFFER);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(WINDOW)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_send_buf_size(CHUNK);
        // Until it is known which HTTP is spoken, hyper has no limit of its own.
        server
            .first_request_timeout(self.limits.head)
            .accept_error_handler(|peer, error| {
                if peer.is_none() {
                    tracing::error!(%error, "no connection can be taken");
                }
            })
    }

    fn admit<S>(&self, stream: TcpStream, service: S) -> io::Result<(Connection, Requests<S>)> {
        let peer = stream.peer_addr()?.ip();
        // Else an answer can wait for the client's delayed acknowledgement of what TLS sent before
        // it: 40 ms on Linux.
        stream.set_nodelay(true)?;
        let place = self.places.take(peer);
        let place = place.ok_or(io::ErrorKind::QuotaExceeded)?;
        let activity = Arc::new(Activity(Mutex::new(Since {
            under_way: 0,
            last: Instant::now(),
        })));
        let connection = Connection {
            stream,
            activity: Arc::clone(&activity),
            limits: self.limits,
            idle: Box::pin(sleep(self.limits.idle)),
            stall: None,
            _place: place,
        };
        let inner = service;
        Ok((connection, Requests { inner, activity }))
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for Gate {
    type Stream = Connection;
    type Service = Requests<S>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Connection, Requests<S>)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let admitted = self.admit(stream, service);
        Box::pin(async {
            let admitted = admitted?;
            // Of a crowd as many as tokio accepts in one turn, 128, are counted before there is a
            // handshake with the first, or an answer: those who are there already are no flood
            // (`hashing/demand.rs`).
            yield_now().await;
            Ok(admitted)
        })
    }
}

/// What is asked on one connection.
struct Activity(Mutex<Since>);

struct Since {
    under_way: usize,
    /// When a request has last begun or been answered.
    last: Instant,
}

impl Activity {
    fn lock(&self) -> MutexGuard<'_, Since> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the connection will have been idle for that long.
    fn idle_at(&self, limit: Duration) -> Instant {
        let since = self.lock();
        let last = if since.under_way > 0 {
            Instant::now()
        } else {
            since.last
        };
        last + limit
    }

    fn begin(self: &Arc<Self>) -> UnderWay {
        let mut since = self.lock();
        since.under_way += 1;
        since.last = Instant::now();
        drop(since);
        UnderWay(Arc::clone(self))
    }
}

/// A request under way; answered, or given up, when dropped.
struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut since = self.0.lock();
        since.under_way -= 1;
        since.last = Instant::now();
    }
}

/// A socket that is closed when nothing happens on it.
///
/// `tokio-io-timeout` has the stall, but not the idleness: to a socket, the pings of an HTTP/2
/// client are as good as requests.
pub struct Connection {
    stream: TcpStream,
    activity: Arc<Activity>,
    limits: TimeLimits,
    idle: Pin<Box<Sleep>>,
    /// Runs while the client takes nothing. Linux says that there is room only when a third of
    /// the buffer is free, so a trickle is a stall too.
    stall: Option<Pin<Box<Sleep>>>,
    _place: Place,
}

impl Connection {
    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.idle.as_mut().poll(context));
            let due = self.activity.idle_at(self.limits.idle);
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.idle.as_mut().reset(due);
        }
    }

    fn unless_stalled(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let limit = self.limits.stall;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stall.as_mut().poll(context));
        // The system need not keep either what nobody fetches.
        let _ = self.stream.set_zero_linger();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.poll_idle(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut this.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, buffer);
        this.unless_stalled(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, buffers);
        this.unless_stalled(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// The service of one connection, which tells when it is asked.
#[derive(Clone)]
pub struct Requests<S> {
    inner: S,
    activity: Arc<Activity>,
}

impl<S, B> Service<Request<B>> for Requests<S>
where
    S: Service<Request<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let under_way = self.activity.begin();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let _under_way = under_way;
            answer.await
        })
    }
}
