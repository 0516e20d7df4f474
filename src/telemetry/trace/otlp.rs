//! Spans on their way to a collector.
//!
//! Where it is, and what it is called, say the variables of
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>.

use std::sync::{Mutex, PoisonError};

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::runtime::Tokio;
use opentelemetry_sdk::trace::SdkTracerProvider;
use opentelemetry_sdk::trace::span_processor_with_async_runtime::BatchSpanProcessor;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// What a collector calls this program.
const SERVICE: &str = "tailwater";

static PROVIDER: Mutex<Option<SdkTracerProvider>> = Mutex::new(None);

/// Sends spans to the collector that the environment names; nothing where it names none.
///
/// # Errors
/// What is wrong with the environment.
pub(in crate::telemetry) fn layer<S>() -> Result<Option<impl Layer<S>>, String>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    if names.iter().all(|name| std::env::var_os(name).is_none_or(|value| value.is_empty())) {
        return Ok(None);
    }
    let protocol = match std::env::var("OTEL_EXPORTER_OTLP_PROTOCOL").as_deref() {
        Ok("http/json") => Protocol::HttpJson,
        Ok("http/protobuf" | "") | Err(_) => Protocol::HttpBinary,
        Ok(other) => {
            return Err(format!(
                "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf or http/json, not '{other}'"
            ));
        }
    };
    let exporter = SpanExporter::builder().with_http().with_protocol(protocol).build();
    let exporter = exporter.map_err(|error| error.to_string())?;
    let resource = Resource::builder()
        .with_service_name(std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| SERVICE.into()))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter, Tokio).build())
        .with_resource(resource)
        .build();
    let tracer = provider.tracer(SERVICE);
    *PROVIDER.lock().unwrap_or_else(PoisonError::into_inner) = Some(provider);
    let ours = filter_fn(|metadata| metadata.is_span() && metadata.target() == "tailwater::trace");
    Ok(Some(tracing_opentelemetry::layer().with_tracer(tracer).with_filter(ours)))
}

/// Sends what is left. Blocks until that is done.
pub(in crate::telemetry) fn finish() {
    let provider = PROVIDER.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(provider) = provider
        && let Err(error) = provider.shutdown()
    {
        tracing::warn!(%error, "the last spans did not reach their collector");
    }
}

/// Puts a span into a trace, below a root that all spans of the trace have.
pub(super) fn adopt(span: &Span, trace: [u8; 16]) {
    if span.is_disabled() {
        return;
    }
    let root = SpanId::from_bytes(*trace.last_chunk().expect("16 bytes"));
    let parent = SpanContext::new(
        TraceId::from_bytes(trace),
        root,
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    // Refused where nobody takes spans.
    drop(span.set_parent(Context::new().with_remote_span_context(parent)));
}
