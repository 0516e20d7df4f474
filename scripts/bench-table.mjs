// Makes the table of scripts/bench-peers out of the reports in a folder, prints it, and writes it
// between its markers in docs/benchmarks.md.
//
//   node scripts/bench-table.mjs FOLDER yes|no

import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const DOCUMENT = 'docs/benchmarks.md';
const BEGIN = '<!-- bench-peers: begin -->';
const END = '<!-- bench-peers: end -->';

const ADAPTERS = ['limit', 'tailwater', 'nchan', 'durable-streams'];

// What is told of each scenario: a figure of the reports, its name, its unit, how many decimals.
const COST = ['server_cpu_us', 'server CPU per delivery', 'µs', 2];
const LATENCY = [
    ['latency_p50_ms', 'latency p50', 'ms', 1],
    ['latency_p99_ms', 'latency p99', 'ms', 1],
];
const RATE = ['deliveries_per_second', 'deliveries a second', '', 0];
const CONNECT = ['connect_s', 'all connected in', 's', 2];
const MEMORY = ['memory_per_reader_bytes', 'memory per reader', 'B', 0];
const FIGURES = {
    fanout: [COST, ...LATENCY],
    'fanout-10k': [COST, ...LATENCY, CONNECT],
    'fanout-closed': [COST, ...LATENCY, RATE, ['answer_p50_ms', 'event answered p50', 'ms', 2]],
    idle: [MEMORY, ['idle_cpu_us', 'server CPU per reader and second', 'µs', 2], CONNECT],
    storm: [['caught_up_s', 'all back and caught up in', 's', 2], COST, CONNECT],
    replay: [
        ['memory_mb_per_second', 'read from memory', 'MB/s', 0],
        ['memory_cpu_ms_per_mb', 'server CPU per MB', 'ms', 2],
        ['database_mb_per_second', 'read from the database', 'MB/s', 0],
    ],
};

const [folder, write] = process.argv.slice(2);
const lines = (name) => readFileSync(join(folder, name), 'utf8').trim().split('\n');

/** The reports of a scenario on one server, by round; a run that failed has none. */
function reports(scenario, adapter) {
    const rounds = new Map();
    for (const name of readdirSync(folder)) {
        const [of, on, round, ending] = name.split('.');
        if (of === scenario && on === adapter && ending === 'json') {
            rounds.set(round, JSON.parse(readFileSync(join(folder, name), 'utf8')));
        }
    }
    return rounds;
}

/** A figure by round, in the rounds that have it. */
function values(rounds, key) {
    const found = new Map();
    for (const [round, report] of rounds) {
        const figure = report.figures.find((figure) => figure.key === key);
        if (figure) found.set(round, figure.value);
    }
    return found;
}

function median(numbers) {
    const sorted = [...numbers].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The median, the least and the greatest, and the median of the ratios to the limit's figure. */
function cell(found, limit, decimals, isLimit) {
    if (found.size === 0) return '–';
    const text = (number) =>
        number.toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    const numbers = [...found.values()];
    const range = `${text(median(numbers))} (${text(Math.min(...numbers))} to ${text(Math.max(...numbers))})`;
    const ratios = [...found].filter(([round]) => limit.get(round) > 0)
        .map(([round, value]) => value / limit.get(round));
    return isLimit || ratios.length === 0 ? range : `${range}, ${median(ratios).toFixed(2)} ×`;
}

function table(scenario, command) {
    const all = new Map(ADAPTERS.map((adapter) => [adapter, reports(scenario, adapter)]));
    const text = [`### ${scenario}`, '', `\`tailwater loadtest ${command}\``, ''];
    text.push(`| | ${ADAPTERS.join(' | ')} |`, `| --- |${' --- |'.repeat(ADAPTERS.length)}`);
    for (const [key, name, unit, decimals] of FIGURES[scenario]) {
        const limit = values(all.get('limit'), key);
        const cells = ADAPTERS.map((adapter) =>
            cell(values(all.get(adapter), key), limit, decimals, adapter === 'limit'));
        if (cells.some((cell) => cell !== '–')) {
            text.push(`| ${name}${unit && `, ${unit}`} | ${cells.join(' | ')} |`);
        }
    }
    const failed = (rounds) => [...rounds.values()]
        .filter((report) => report.checks.some((check) => !check.passed)).length;
    const counts = ADAPTERS.map((adapter) => {
        const rounds = all.get(adapter);
        return `${rounds.size - failed(rounds)} of ${rounds.size}`;
    });
    text.push(`| runs in which every check held | ${counts.join(' | ')} |`, '');
    return text.join('\n');
}

function circumstances() {
    const name = readdirSync(folder).find((name) => name.endsWith('.json'));
    const { machine, started_at } = JSON.parse(readFileSync(join(folder, name), 'utf8'));
    const day = new Date(started_at).toISOString().slice(0, 10);
    return `${day}, ${machine.processor}, ${machine.system}; ${lines('versions').join('; ')}. Each cell: ` +
        'the median of the rounds (the least to the greatest), and the median of the ratios to the ' +
        'limit in the same round.\n';
}

const tables = lines('commands').map((line) => {
    const [scenario, ...command] = line.split(' ');
    return table(scenario, command.join(' '));
});
const text = [circumstances(), ...tables].join('\n');
console.log(text);
if (write === 'yes') {
    const document = readFileSync(DOCUMENT, 'utf8');
    const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
    if (begin < 0 || end < begin) throw new Error(`${DOCUMENT} has no place for the table`);
    writeFileSync(DOCUMENT, `${document.slice(0, begin + BEGIN.length)}\n${text}\n${document.slice(end)}`);
}
