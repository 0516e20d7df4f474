//! What to write into which proxy.

use serde::Serialize;

use super::proxy::Proxy;

/// What a proxy does that it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It holds events back.
    Buffering,
    /// It compresses streams.
    Compression,
    /// It cuts what is silent for a while.
    Silence,
    /// It cuts what lasts long, silent or not.
    Age,
    /// It does not pass on `Last-Event-ID`.
    Resume,
    /// It does not pass on `Authorization`.
    Key,
    /// It holds requests back until they are whole.
    RequestBuffering,
    /// It puts its own answers in place of the server's.
    Errors,
    /// It answers from a cache, or lets others do so.
    Cache,
    /// It speaks HTTP/1.1 with browsers where it could speak HTTP/2.
    Version,
}

/// The lines for one proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// Which proxy.
    pub proxy: Proxy,
    /// What to write, or where to click, or that it is not to blame.
    pub lines: Vec<&'static str>,
}

/// What to write into each proxy, into the one that is there first.
pub(super) fn remedies(trouble: Trouble, there: Option<Proxy>) -> Vec<Remedy> {
    let others = Proxy::ALL.into_iter().filter(|proxy| Some(*proxy) != there);
    let all = there.into_iter().chain(others);
    all.map(|proxy| Remedy { proxy, lines: lines(trouble, proxy).to_vec() }).collect()
}

const fn lines(trouble: Trouble, proxy: Proxy) -> &'static [&'static str] {
    match proxy {
        Proxy::Nginx => nginx(trouble),
        Proxy::Caddy => caddy(trouble),
        Proxy::HaProxy => haproxy(trouble),
        Proxy::Traefik => traefik(trouble),
        Proxy::Cloudflare => cloudflare(trouble),
        Proxy::Aws => aws(trouble),
    }
}

/// <https://nginx.org/en/docs/http/ngx_http_proxy_module.html>; in the `location` of the server.
const fn nginx(trouble: Trouble) -> &'static [&'static str] {
    match trouble {
        Trouble::Buffering => &[
            "proxy_http_version 1.1;",
            "proxy_set_header Connection \"\";",
            "proxy_buffering off;   # or take out: proxy_ignore_headers X-Accel-Buffering;",
        ],
        Trouble::Compression => &["gzip off;", "brotli off;   # where that module is there"],
        Trouble::Silence => &["proxy_read_timeout 1h;", "send_timeout 1h;"],
        Trouble::Age => &[
            "worker_shutdown_timeout 1h;   # at the top; nginx has no other limit of age,",
            "# so look at what stands before it as well",
        ],
        Trouble::Resume => &["proxy_set_header Last-Event-ID $http_last_event_id;"],
        Trouble::Key => &["proxy_set_header Authorization $http_authorization;"],
        Trouble::RequestBuffering => &["proxy_http_version 1.1;", "proxy_request_buffering off;"],
        Trouble::Errors => &["proxy_intercept_errors off;"],
        Trouble::Cache => &["proxy_cache off;", "# and no proxy_hide_header Cache-Control;"],
        Trouble::Version => &["listen 443 ssl http2;   # since 1.25.1: listen 443 ssl; http2 on;"],
    }
}

/// <https://caddyserver.com/docs/caddyfile/directives/reverse_proxy>
const fn caddy(trouble: Trouble) -> &'static [&'static str] {
    match trouble {
        Trouble::Buffering => &["reverse_proxy 127.0.0.1:8080 {", "    flush_interval -1", "}"],
        Trouble::Compression => &["@page not path /api/*", "encode @page zstd gzip"],
        Trouble::Silence => &[
            "reverse_proxy 127.0.0.1:8080 {",
            "    transport http {",
            "        read_timeout 1h   # without this line there is no limit",
            "    }",
            "}",
        ],
        Trouble::Age => &[
            "# in the global options: no `timeouts { write … }`, or a long one",
            "servers {",
            "    timeouts {",
            "        write 0",
            "    }",
            "}",
        ],
        Trouble::Resume => &["# take out: header_up -Last-Event-ID"],
        Trouble::Key => &["# take out: header_up -Authorization"],
        Trouble::RequestBuffering => &["# take out of reverse_proxy: request_buffers"],
        Trouble::Errors => &["# take out of reverse_proxy: handle_response; intercept"],
        Trouble::Cache => &["# take out the cache of /api/*, and header -Cache-Control"],
        Trouble::Version => &["servers {", "    protocols h1 h2 h3", "}"],
    }
}

/// <https://docs.haproxy.org/>; in `defaults`, or in the frontend and backend of the server.
const fn haproxy(trouble: Trouble) -> &'static [&'static str] {
    match trouble {
        Trouble::Buffering => &["option http-no-delay", "# take out: http-response wait-for-body"],
        Trouble::Compression => {
            &["compression type text/html text/css text/javascript   # not text/event-stream"]
        }
        Trouble::Silence => &["timeout client 1h", "timeout server 1h"],
        Trouble::Age => &["hard-stop-after 1h   # in global, for reloads; there is no other limit"],
        Trouble::Resume => &["# take out: http-request del-header last-event-id"],
        Trouble::Key => &["# take out: http-request del-header authorization"],
        Trouble::RequestBuffering => {
            &["no option http-buffer-request", "# take out: http-request wait-for-body"]
        }
        Trouble::Errors => &["# take out: http-response return; http-response set-status"],
        Trouble::Cache => &["# take out: http-request cache-use, http-response cache-store"],
        Trouble::Version => &["bind :443 ssl crt /etc/haproxy/site.pem alpn h2,http/1.1"],
    }
}

/// <https://doc.traefik.io/traefik/>; in the dynamic configuration, but entry points.
const fn traefik(trouble: Trouble) -> &'static [&'static str] {
    match trouble {
        Trouble::Buffering => &[
            "http.services.tailwater.loadBalancer.responseForwarding.flushInterval: -1ms",
            "# and no `buffering` middleware",
        ],
        Trouble::Compression => {
            &["http.middlewares.NAME.compress.excludedContentTypes: [text/event-stream]"]
        }
        Trouble::Silence | Trouble::Age => &[
            "entryPoints.NAME.transport.respondingTimeouts.readTimeout: 0",
            "entryPoints.NAME.transport.respondingTimeouts.writeTimeout: 0",
            "http.serversTransports.NAME.forwardingTimeouts.responseHeaderTimeout: 0s",
        ],
        Trouble::Resume => &["# take out of headers.customRequestHeaders: Last-Event-ID"],
        Trouble::Key => &["# take out of headers.customRequestHeaders: Authorization"],
        Trouble::RequestBuffering => &["# take out the `buffering` middleware"],
        Trouble::Errors => &["# take out the `errors` middleware"],
        Trouble::Cache => &["# take out the plugin that caches, on /api/"],
        Trouble::Version => &["# HTTP/2 is on where the entry point has TLS"],
    }
}

/// <https://developers.cloudflare.com/>; in the dashboard.
const fn cloudflare(trouble: Trouble) -> &'static [&'static str] {
    match trouble {
        Trouble::Buffering => &[
            "Network > Response Buffering: off",
            "Caching > Cache Rules: URI path starts with /api/ -> Bypass cache",
        ],
        Trouble::Compression => {
            &["Rules > Compression Rules: URI path starts with /api/ -> Disable compression"]
        }
        Trouble::Silence => &[
            "its limit is 120 s of silence, which keep-alives do not come near;",
            "what cuts sooner stands behind it",
        ],
        Trouble::Age => &["it has no such limit; look at what stands behind it"],
        Trouble::Resume | Trouble::Key => {
            &["Rules > Transform Rules > Modify Request Header: remove neither header"]
        }
        Trouble::RequestBuffering => {
            &["it may hold requests back: let workers push around it, or event by event"]
        }
        Trouble::Errors => &["Rules > Custom Errors, Workers: none on /api/"],
        Trouble::Cache => &["Caching > Cache Rules: URI path starts with /api/ -> Bypass cache"],
        Trouble::Version => &["Speed > Settings > Protocol Optimization: HTTP/2 on"],
    }
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/>
const fn aws(trouble: Trouble) -> &'static [&'static str] {
    match trouble {
        Trouble::Buffering => &[
            "an ALB holds nothing back, but before a Lambda: have instances or addresses as targets",
        ],
        Trouble::Compression => {
            &["an ALB does not compress; CloudFront, behaviour of /api/*: Compress objects: No"]
        }
        Trouble::Silence => &[
            "aws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN \\",
            "  --attributes Key=idle_timeout.timeout_seconds,Value=120",
            "CloudFront, origin: Response timeout: 60",
        ],
        Trouble::Age => &[
            "aws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN \\",
            "  --attributes Key=client_keep_alive.seconds,Value=3600",
        ],
        Trouble::Resume | Trouble::Key => {
            &["CloudFront, behaviour of /api/*: origin request policy AllViewer"]
        }
        Trouble::RequestBuffering => &["an ALB does not; look at what stands behind it"],
        Trouble::Errors => &["CloudFront: no custom error responses"],
        Trouble::Cache => &["CloudFront, behaviour of /api/*: cache policy CachingDisabled"],
        Trouble::Version => &[
            "aws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN \\",
            "  --attributes Key=routing.http2.enabled,Value=true",
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TROUBLES: [Trouble; 10] = [
        Trouble::Buffering,
        Trouble::Compression,
        Trouble::Silence,
        Trouble::Age,
        Trouble::Resume,
        Trouble::Key,
        Trouble::RequestBuffering,
        Trouble::Errors,
        Trouble::Cache,
        Trouble::Version,
    ];

    #[test]
    fn the_proxy_that_is_there_comes_first_and_none_is_left_out() {
        for trouble in TROUBLES {
            let of = remedies(trouble, Some(Proxy::Traefik));
            assert_eq!(of[0].proxy, Proxy::Traefik);
            assert_eq!(of.len(), Proxy::ALL.len());
            assert!(of.iter().all(|remedy| !remedy.lines.is_empty()), "{trouble:?}");
        }
        assert_eq!(remedies(Trouble::Silence, None)[0].proxy, Proxy::Nginx);
    }
}
