//! The table of URLs: what is an endpoint's, in which normal form, and what is refused and why.

use std::sync::Arc;

use didfarm_webhooks::{AddressGuard, EndpointUrl, Policy, Ports, UrlError};

use UrlError::*;

fn strict() -> Policy {
    Policy::default()
}

fn lenient() -> Policy {
    let nets = ["127.0.0.0/8", "::1/128", "10.20.0.0/16"];
    let mut guard = AddressGuard::new(nets.map(|net| net.parse().unwrap()).into());
    guard.refuse("127.0.0.1:9100".parse().unwrap());
    Policy {
        guard: Arc::new(guard),
        http_hosts: ["crm.internal", "8.8.4.4"].map(Box::from).into(),
        ports: Ports::Usual,
    }
}

fn refused(policy: &Policy, error: UrlError, urls: &[&str]) {
    for url in urls {
        assert_eq!(
            EndpointUrl::parse(url, policy),
            Err(error.clone()),
            "{url:?}"
        );
    }
}

fn accepted(policy: &Policy, rows: &[(&str, &str)]) {
    for (url, normal) in rows {
        let parsed =
            EndpointUrl::parse(url, policy).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(parsed.as_str(), *normal);
        assert_eq!(
            EndpointUrl::parse(normal, policy),
            Ok(parsed),
            "a normal form is its own"
        );
    }
}

#[test]
fn public_hosts_are_accepted_and_normalised() {
    accepted(
        &strict(),
        &[
            ("https://example.com", "https://example.com/"),
            ("https://example.com/", "https://example.com/"),
            ("HTTPS://EXAMPLE.com/Hook", "https://example.com/Hook"),
            ("https://example.com:443/x", "https://example.com/x"),
            ("https://example.com:80/x", "https://example.com:80/x"),
            ("https://example.com:1024/x", "https://example.com:1024/x"),
            (
                "https://example.com:8443/x?a=b&c=%20",
                "https://example.com:8443/x?a=b&c=%20",
            ),
            ("https://example.com:65535/", "https://example.com:65535/"),
            ("https://example.com:/", "https://example.com/"),
            ("https://example.com?a", "https://example.com/?a"),
            ("https://a.b.c.d.example/", "https://a.b.c.d.example/"),
            (
                "https://under_score.example/",
                "https://under_score.example/",
            ),
            ("https://intranet/", "https://intranet/"),
            ("https://bücher.example/", "https://xn--bcher-kva.example/"),
            (
                "https://BÜCHER.example/ü",
                "https://xn--bcher-kva.example/%C3%BC",
            ),
            (
                "https://xn--bcher-kva.example/",
                "https://xn--bcher-kva.example/",
            ),
            ("https://例え.テスト/", "https://xn--r8jz45g.xn--zckzah/"),
            ("https://ｅｘａｍｐｌｅ.com/", "https://example.com/"),
            ("https://example。com/", "https://example.com/"),
            ("https://exam\u{ad}ple.com/", "https://example.com/"),
            ("https://ex%61mple.com/", "https://example.com/"),
            ("https://example.com/a/../b/./c", "https://example.com/b/c"),
            ("https://example.com/@user", "https://example.com/@user"),
            (
                "https://example.com/?u=a@b.c",
                "https://example.com/?u=a@b.c",
            ),
            (
                "https://example.com/{id}|x",
                "https://example.com/%7Bid%7D|x",
            ),
            ("https://8.8.8.8/", "https://8.8.8.8/"),
            ("https://134744072/", "https://8.8.8.8/"),
            ("https://0x8.8.8.8/", "https://8.8.8.8/"),
            ("https://010.8.8.8/", "https://8.8.8.8/"),
            (
                "https://[2606:4700:4700:0:0:0:0:1111]/",
                "https://[2606:4700:4700::1111]/",
            ),
            ("https://[::ffff:8.8.8.8]/", "https://[::ffff:808:808]/"),
            (
                "https://localhost.example.com/",
                "https://localhost.example.com/",
            ),
            (
                "https://127.0.0.1.nip.example/",
                "https://127.0.0.1.nip.example/",
            ),
        ],
    );
}

#[test]
fn inside_addresses_are_refused_in_every_spelling() {
    refused(
        &strict(),
        ForbiddenAddress,
        &[
            // Loopback.
            "https://127.0.0.1/",
            "https://127.0.0.1:8443/",
            "https://127.255.255.254/",
            "https://127.1/",
            "https://127.0.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.1/",
            "https://0x7F.0x0.0x0.0x1/",
            "https://0177.0.0.1/",
            "https://0177.0.0.01/",
            "https://017700000001/",
            "https://00000177.0.0.1/",
            "https://127.0.0.0x1/",
            "https://127.0.0.1./",
            "https://%31%32%37.0.0.1/",
            "https://１２７.0.0.1/",
            "https://１２７．０．０．１/",
            "https://127。0。0。1/",
            "https://①②⑦.0.0.1/",
            "https://𝟏𝟐𝟕.0.0.1/",
            "http://127.0.0.1/",
            "http://0x7f.1/",
            "http://2130706433/",
            // This host.
            "https://0/",
            "https://0.0.0.0/",
            "https://0x0/",
            "https://00/",
            "https://0.1.2.3/",
            // Names of loopback.
            "https://localhost/",
            "https://LOCALHOST:8443/",
            "https://a.localhost/",
            "https://a.b.localhost/",
            "https://ｌocalhost/",
            "https://%6cocalhost/",
            "http://localhost/",
            // Private and shared.
            "https://10.0.0.1/",
            "https://10.255.255.255/",
            "https://167772161/",
            "https://012.0.0.1/",
            "https://172.16.0.1/",
            "https://172.31.255.255/",
            "https://192.168.0.1/",
            "https://192.168.1/",
            "https://0xc0a80001/",
            "https://3232235521/",
            "https://100.64.0.1/",
            "https://100.127.255.255/",
            "http://10.20.0.1/",
            // Link-local, metadata.
            "https://169.254.169.254/",
            "https://169.254.169.254/latest/meta-data/",
            "https://2852039166/",
            "https://0xa9fea9fe/",
            "https://0251.0376.0251.0376/",
            "https://169.254.43518/",
            "https://0xa9.254.0xa9fe/",
            "https://169.254.0.1/",
            "https://169.254.170.2/",
            "https://100.100.100.200/",
            // Special.
            "https://192.0.0.8/",
            "https://192.0.2.1/",
            "https://192.88.99.1/",
            "https://198.18.0.1/",
            "https://198.19.255.255/",
            "https://198.51.100.7/",
            "https://203.0.113.9/",
            "https://224.0.0.1/",
            "https://239.255.255.255/",
            "https://240.0.0.1/",
            "https://255.255.255.255/",
            "https://4294967295/",
            // IPv6.
            "https://[::]/",
            "https://[::1]/",
            "https://[0:0:0:0:0:0:0:1]/",
            "https://[0000::0001]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[0:0:0:0:0:ffff:7f00:0001]/",
            "https://[::FFFF:169.254.169.254]/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[::ffff:0.0.0.0]/",
            "https://[::127.0.0.1]/",
            "https://[::7f00:1]/",
            "https://[::a00:1]/",
            "https://[::ffff:0:127.0.0.1]/",
            "https://[64:ff9b::127.0.0.1]/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://[64:ff9b:1::1]/",
            "https://[100::1]/",
            "https://[2001::1]/",
            "https://[2001:10::1]/",
            "https://[2001:db8::1]/",
            "https://[2002:7f00:1::]/",
            "https://[2002:a9fe:a9fe::1]/",
            "https://[2002:c0a8:1::]/",
            "https://[3fff::1]/",
            "https://[5f00::1]/",
            "https://[fc00::1]/",
            "https://[fd00:ec2::254]/",
            "https://[fdff:ffff::1]/",
            "https://[fe80::1]/",
            "https://[febf::1]/",
            "https://[fec0::1]/",
            "https://[ff02::1]/",
            "https://[ff0e::1]/",
        ],
    );
}

#[test]
fn what_is_no_plain_https_url_is_refused_by_its_reason() {
    let policy = strict();
    refused(
        &policy,
        Scheme,
        &[
            "",
            "example.com",
            "//example.com/",
            "/hook",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
            "ws://example.com/",
            "wss://example.com/",
            "javascript:alert(1)",
            "data:text/plain,x",
            "https:example.com",
            "https:/example.com",
            "httpss://example.com/",
            "unix:///run/x.sock",
            "dict://example.com:11211/",
            "ldap://example.com/",
            "jar:https://example.com/",
        ],
    );
    refused(
        &policy,
        PlainHttp,
        &[
            "http://example.com/",
            "HTTP://example.com/",
            "http://8.8.8.8/",
            "http://crm.internal/",
            "http://[2606:4700::1]/",
        ],
    );
    refused(
        &policy,
        Userinfo,
        &[
            "https://user@example.com/",
            "https://user:pass@example.com/",
            "https://:pass@example.com/",
            "https://@example.com/",
            "https://example.com@127.0.0.1/",
            "https://a@b@example.com/",
            "https://example.com:443@evil.example/",
            "https://user%40x@example.com/",
        ],
    );
    refused(
        &policy,
        Fragment,
        &[
            "https://example.com/#",
            "https://example.com/#x",
            "https://example.com#@127.0.0.1/",
            "https://example.com/?a#b",
        ],
    );
    refused(
        &policy,
        Characters,
        &[
            " https://example.com/",
            "https://example.com/ ",
            "https://exam ple.com/",
            "https://example.com/a b",
            "https://example.com/\r\nHost: x",
            "https://exa\tmple.com/",
            "https://example.com\n",
            "\u{0}https://example.com/",
            "https://example.com\\@127.0.0.1/",
            "https:\\\\127.0.0.1/",
            "https://example.com/\u{7f}",
            "https://example.com/\u{a0}",
            "https://example\u{3000}.com/",
            "https://example.com/\u{2028}",
        ],
    );
    refused(
        &policy,
        Host,
        &[
            "https://",
            "https:///",
            "https:///example.com/",
            "https://?x",
            "https://#",
        ],
    );
    refused(
        &policy,
        Host,
        &[
            "https://a..example/",
            "https://.example.com/",
            "https://a!b.example/",
            "https://a$b.example/",
            "https://a*b.example/",
            "https://a,b.example/",
            "https://(x).example/",
            "https://a'b.example/",
            &format!("https://{}.example/", "x".repeat(64)),
            &format!("https://{}example/", "abcdefghi.".repeat(26)),
        ],
    );
    refused(
        &policy,
        TrailingDot,
        &[
            "https://localhost./",
            "https://example.com./",
            "https://example.com.:8443/",
            "https://example.com。/",
        ],
    );
    refused(
        &policy,
        Malformed,
        &[
            "https://:443/",
            "https://[::1/",
            "https://::1/",
            "https://[fe80::1%25eth0]/",
            "https://[fe80::1%eth0]/",
            "https://[::g]/",
            "https://[1.2.3.4]/",
            "https://256.256.256.256/",
            "https://1.2.3.4.5/",
            "https://0x100000000/",
            "https://1.2.3.08/",
            "https://example.com:65536/",
            "https://example.com:-1/",
            "https://example.com:x/",
            "https://exa<mple.com/",
            "https://exa%00mple.com/",
            "https://exa%2fmple.com/",
            "https://xn--a/",
            "https://exa^mple.com/",
        ],
    );
}

#[test]
fn ports_of_systems_services_are_refused_unless_they_are_listed() {
    let policy = strict();
    for port in [
        0, 1, 21, 22, 25, 53, 110, 143, 445, 465, 587, 636, 993, 1023,
    ] {
        refused(
            &policy,
            Port { port },
            &[&format!("https://example.com:{port}/")],
        );
    }
    let listed = Policy {
        ports: Ports::Only([443, 8443].into()),
        ..strict()
    };
    accepted(
        &listed,
        &[
            ("https://a.example:8443/", "https://a.example:8443/"),
            ("https://a.example", "https://a.example/"),
        ],
    );
    for port in [80, 444, 8080] {
        refused(
            &listed,
            Port { port },
            &[&format!("https://a.example:{port}/")],
        );
    }
}

#[test]
fn what_the_operator_allows_may_be_inside_and_without_tls() {
    let policy = lenient();
    accepted(
        &policy,
        &[
            ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"),
            ("http://0x7f.1:8080/x", "http://127.0.0.1:8080/x"),
            ("http://localhost:8080/", "http://localhost:8080/"),
            ("https://localhost/", "https://localhost/"),
            ("http://hook.localhost/", "http://hook.localhost/"),
            ("http://[::1]:8080/", "http://[::1]:8080/"),
            ("http://10.20.255.1/", "http://10.20.255.1/"),
            ("https://10.20.0.1/", "https://10.20.0.1/"),
            ("http://crm.internal:8080/", "http://crm.internal:8080/"),
            ("http://CRM.internal/", "http://crm.internal/"),
            ("http://8.8.4.4/", "http://8.8.4.4/"),
        ],
    );
    refused(
        &policy,
        PlainHttp,
        &[
            "http://example.com/",
            "http://a.crm.internal/",
            "http://8.8.8.8/",
        ],
    );
    refused(
        &policy,
        ForbiddenAddress,
        &[
            "http://10.21.0.1/",
            "https://10.0.0.1/",
            "https://169.254.169.254/",
            "http://127.0.0.1:9100/",
            "https://[::ffff:127.0.0.1]:9100/",
        ],
    );
    refused(&policy, TrailingDot, &["http://localhost.:8080/"]);
    refused(&policy, Port { port: 25 }, &["http://127.0.0.1:25/"]);
}
