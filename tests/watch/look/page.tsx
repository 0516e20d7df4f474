// The dashboard as a page: the panels of its JSON, drawn by Grafana's own components from what a Prometheus
// answered. `window.look` is `{ dashboard, answers, range, mode }`; an answer is Prometheus' list of series.

import {
  createTheme, dateTime, FieldType, getDisplayProcessor, toDataFrame, type DataFrame, type GrafanaTheme2,
} from "@grafana/data";
import { BigValue, GlobalStyles, PanelChrome, ThemeContext, TimeSeries, type VizLegendOptions } from "@grafana/ui";
import { createRoot } from "react-dom/client";

const { dashboard, answers, range, mode } = (window as any).look;
const theme: GrafanaTheme2 = createTheme({ colors: { mode } });
const timeRange = {
  from: dateTime(range.from), to: dateTime(range.to), raw: { from: dateTime(range.from), to: dateTime(range.to) },
};
const ROW = 38;

/** A legend with its labels filled in. */
const legendOf = (format: string, metric: Record<string, string>) =>
  format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => metric[label] ?? "");

/** The series of a panel, with its field configuration. */
function framesOf(panel: any): DataFrame[] {
  let seriesIndex = 0;
  return panel.targets.flatMap(({ refId, legendFormat }: any) =>
    answers[`${panel.id}${refId}`].map(({ metric, values }: any) => {
      // As Grafana's data source does: a step without a value is a hole.
      const at = new Map(values.map(([time, value]: any) => [Math.round(time * 1000), Number(value)]));
      const times: number[] = [];
      for (let time = range.from; time <= range.to; time += range.step) times.push(time);
      const name = legendOf(legendFormat, metric);
      const frame = toDataFrame({
        refId,
        fields: [
          { name: "Time", type: FieldType.time, values: times, config: {} },
          {
            name: "Value", type: FieldType.number, labels: metric,
            values: times.map((time) => (Number.isNaN(at.get(time)) ? null : at.get(time) ?? null)),
            config: { ...panel.fieldConfig.defaults, displayNameFromDS: name, displayName: name },
          },
        ],
      });
      for (const field of frame.fields) {
        field.display = getDisplayProcessor({ field, theme, timeZone: "utc" });
        const numbers = field.values.filter((value: number | null) => value !== null);
        const [min, max] = [Math.min(...numbers), Math.max(...numbers)];
        field.state = { seriesIndex, displayName: field.type === FieldType.time ? "Time" : name, range: { min, max, delta: max - min } };
      }
      seriesIndex += 1;
      return frame;
    }));
}

function Stat({ panel, width, height }: any) {
  const frames = framesOf(panel);
  if (frames.length === 0) return <Nothing />;
  const each = width < 500 && frames.length > 2 ? Math.floor(height / frames.length) : height;
  const isColumn = each !== height;
  return (
    <div style={{ display: "flex", flexDirection: isColumn ? "column" : "row" }}>
      {frames.map((frame, place) => {
        const field = frame.fields[1];
        const last = [...field.values].reverse().find((value) => value !== null);
        const { options } = panel;
        return (
          <BigValue
            key={place} theme={theme} width={isColumn ? width : width / frames.length} height={each}
            value={{ ...field.display!(last), title: frames.length > 1 ? field.config.displayName : undefined }}
            colorMode={options.colorMode} graphMode={options.graphMode} textMode={options.textMode}
            justifyMode={options.justifyMode} wideLayout={options.wideLayout}
            sparkline={options.graphMode === "none" ? undefined : { y: field, x: frame.fields[0] }}
          />
        );
      })}
    </div>
  );
}

function Lines({ panel, width, height }: any) {
  const frames = framesOf(panel);
  if (frames.length === 0) return <Nothing />;
  return (
    <TimeSeries
      frames={frames} width={width} height={height} timeRange={timeRange} timeZone="utc" structureRev={1}
      legend={panel.options.legend as VizLegendOptions} options={panel.options} replaceVariables={(text: string) => text}
    />
  );
}

/** Grafana's heatmap is in none of its packages: this one only shows that the answer is one. */
function Heatmap({ panel, width, height }: any) {
  const rows = answers[`${panel.id}A`]
    .map(({ metric, values }: any) => ({ le: Number(metric.le === "+Inf" ? Infinity : metric.le), values }))
    .sort((left: any, right: any) => left.le - right.le);
  const own = rows.map(({ le, values }: any, place: number) => ({
    le, cells: values.map(([time, value]: any, step: number) => [time, Number(value) - Number(rows[place - 1]?.values[step]?.[1] ?? 0)]),
  }));
  const most = Math.max(...own.flatMap(({ cells }: any) => cells.map(([, count]: any) => count)));
  const high = (height - 4) / own.length;
  const x = (time: number) => 60 + ((time * 1000 - range.from) / (range.to - range.from)) * (width - 64);
  const wide = (range.step / (range.to - range.from)) * (width - 64) - 0.5;
  return (
    <svg width={width} height={height}>
      {own.map(({ le, cells }: any, place: number) => (
        <g key={le} transform={`translate(0 ${height - (place + 1) * high})`}>
          {place % 2 === 0 && <text x={4} y={high} fontSize={11} fill={theme.colors.text.secondary}>{le === Infinity ? "+Inf" : `${le * 1000} ms`}</text>}
          {cells.filter(([, count]: any) => count > 0).map(([time, count]: any) => (
            <rect key={time} x={x(time)} width={wide} height={high - 1} fill="#ff780a" opacity={0.15 + 0.85 * Math.sqrt(count / most)} />
          ))}
        </g>
      ))}
    </svg>
  );
}

const Nothing = () => <div style={{ textAlign: "center", paddingTop: 30 }}>No data</div>;
const KINDS: Record<string, any> = { stat: Stat, timeseries: Lines, heatmap: Heatmap };

function Board() {
  const isNarrow = window.innerWidth < 769;
  const wide = window.innerWidth - 32;
  const unit = wide / 24;
  const bottom = Math.max(...dashboard.panels.map(({ gridPos }: any) => gridPos.y + gridPos.h));
  const place = ({ x, y, w, h }: any): React.CSSProperties => (isNarrow
    ? { position: "relative", height: h * ROW - 8, marginBottom: 8 }
    : { position: "absolute", left: 16 + x * unit, top: y * ROW, width: w * unit - 8, height: h * ROW - 8 });
  return (
    <div style={{ position: "relative", height: isNarrow ? undefined : bottom * ROW, padding: isNarrow ? "0 16px" : 0 }}>
      {dashboard.panels.map((panel: any) => {
        const Kind = KINDS[panel.type];
        const { w, h } = panel.gridPos;
        if (panel.type === "row") {
          return <h4 key={panel.id} style={{ ...place(panel.gridPos), paddingTop: 6 }}>{panel.title}</h4>;
        }
        const width = isNarrow ? wide : w * unit - 8;
        return (
          <div key={panel.id} style={place(panel.gridPos)} data-panel={panel.title}>
            <PanelChrome title={panel.title} description={panel.description} width={width} height={h * ROW - 8}>
              {(innerWidth, innerHeight) => <Kind panel={panel} width={innerWidth} height={innerHeight} />}
            </PanelChrome>
          </div>
        );
      })}
    </div>
  );
}

document.body.style.background = theme.colors.background.canvas;
createRoot(document.querySelector("#root")!).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <h2 style={{ padding: "12px 16px", margin: 0 }}>{dashboard.title}</h2>
    <Board />
  </ThemeContext.Provider>,
);
