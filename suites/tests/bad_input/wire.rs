//! Servers that misbehave on the wire.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// The address of a server that gives each connection to a function, after the head of the first request was read.
pub fn server(serve: impl Fn(&mut TcpStream) + Send + Clone + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut connection, _)) = listener.accept() {
            let serve = serve.clone();
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|read| read > 0) {
                    head.push(byte[0]);
                }
                serve(&mut connection);
            });
        }
    });
    format!("http://{address}")
}

/// A server that always gives the same answer.
pub fn answering(answer: impl Into<Vec<u8>>) -> String {
    let answer = answer.into();
    server(move |connection| _ = connection.write_all(&answer))
}

/// A whole answer.
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

/// A server that never answers.
pub fn hanging() -> String {
    server(|_| std::thread::sleep(Duration::from_secs(120)))
}

/// An address where nobody listens.
pub fn dead() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
