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
const REPLAY = [
    ['memory_mb_per_second', 'read from memory', 'MB/s', 0],
    ['memory_cpu_ms_per_mb', 'server CPU per MB', 'ms', 2],
    ['database_mb_per_second', 'read from the database', 'MB/s', 0],
];
const FIGURES = {
    fanout: [COST, ...LATENCY],
    'fanout-10k': [COST, ...LATENCY, CONNECT],
    'fanout-closed': [COST, ...LATENCY, RATE, ['answer_p50_ms', 'event answered p50', 'ms', 2]],
    idle: [MEMORY, ['idle_cpu_us', 'server CPU per reader and second', 'µs', 2], CONNECT],
    storm: [['caught_up_s', 'all back and caught up in', 's', 2], COST, CONNECT],
    'many-jobs': [COST, ...LATENCY],
    slow: [
        ['memory_grown_mb', 'memory grown beside slow readers', 'MB', 2],
        ['slow_p99_ratio', 'p99 beside slow readers / without', '', 2],
        COST,
    ],
    held: [
        ['memory_1800_mb', 'memory with 1,800 readers', 'MB', 1],
        ['memory_7200_mb', 'with 7,200', 'MB', 1],
        ['memory_12600_mb', 'with 12,600', 'MB', 1],
        ['memory_18000_mb', 'with 18,000', 'MB', 1],
        ['memory_after_mb', 'after five minutes', 'MB', 1],
        MEMORY,
        ...LATENCY,
    ],
    replay: REPLAY,
    'replay-100-mb': REPLAY,
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

// The targets: what is asked, the figure of a round, its unit and decimals, and what meets it. A
// figure gets the round's reports of its server and of the limit, by scenario.
const ratio = (scenario, key) => (own, limit) => own(scenario, key) / limit(scenario, key);
const plain = (scenario, key) => (own) => own(scenario, key);
// A keep-alive is one write in five seconds; what a write takes with as many sockets, the limit says.
const keptAlive = (own, limit) => own('idle', 'idle_cpu_us') / (limit('fanout-10k', 'server_cpu_us') / 5);
const TARGETS = [
    ['`fanout`: CPU per delivery ≤ 1.05 × limit, gate 1.15', ratio('fanout', 'server_cpu_us'), '×', 2, (n) => n <= 1.05],
    ['`fanout` as fast as answered: ≤ 0.15 × limit', ratio('fanout-closed', 'server_cpu_us'), '×', 2, (n) => n <= 0.15],
    ['`fanout`, 10,000 readers: ≤ 1.15 × limit', ratio('fanout-10k', 'server_cpu_us'), '×', 2, (n) => n <= 1.15],
    ['`idle`: memory per reader ≤ 256 B', plain('idle', 'memory_per_reader_bytes'), 'B', 0, (n) => n <= 256],
    ['`idle`: CPU ≤ 1.5 × a write in 5 s', keptAlive, '×', 2, (n) => n <= 1.5],
    ['`many-jobs`: p99 < 5 ms', plain('many-jobs', 'latency_p99_ms'), 'ms', 1, (n) => n < 5],
    ['`many-jobs`: CPU per event ≤ 2 × limit', ratio('many-jobs', 'server_cpu_us'), '×', 2, (n) => n <= 2],
    ['10,000 readers connect in < 0.6 s', plain('fanout-10k', 'connect_s'), 's', 2, (n) => n < 0.6],
    ['`storm`: 10,000 back in < 2 s', plain('storm', 'caught_up_s'), 's', 2, (n) => n < 2],
    ['`replay` of 100 MB: ≥ 0.8 × the limit, a loop of writes', ratio('replay-100-mb', 'memory_mb_per_second'), '×', 2, (n) => n >= 0.8],
    ['`slow`: memory grows by 0 beyond the log', plain('slow', 'memory_grown_mb'), 'MB', 2, (n) => n < 1],
    ['`slow`: p99 of the others within 10 %', plain('slow', 'slow_p99_ratio'), '×', 2, (n) => n <= 1.1],
    ['18,000 readers for 5 minutes: memory per reader', plain('held', 'memory_per_reader_bytes'), 'B', 0, (n) => n <= 256],
];

/** A target's figure on one server: the median of the rounds. */
function measured(adapter, figure) {
    const byRound = new Map();
    for (const scenario of Object.keys(FIGURES)) {
        for (const [round, report] of reports(scenario, adapter)) {
            byRound.set(round, (byRound.get(round) ?? new Map()).set(scenario, report));
        }
    }
    const limits = new Map();
    for (const scenario of Object.keys(FIGURES)) {
        for (const [round, report] of reports(scenario, 'limit')) limits.set(`${round} ${scenario}`, report);
    }
    const numbers = [];
    for (const [round, own] of byRound) {
        const look = (report, key) => report?.figures.find((figure) => figure.key === key)?.value ?? NaN;
        const value = figure((scenario, key) => look(own.get(scenario), key),
            (scenario, key) => look(limits.get(`${round} ${scenario}`), key));
        if (Number.isFinite(value)) numbers.push(value);
    }
    return numbers.length > 0 ? median(numbers) : undefined;
}

function targets() {
    const servers = ADAPTERS.filter((adapter) => adapter !== 'limit');
    const text = ['### Targets', '', `| | ${servers.join(' | ')} | |`, `| --- |${' --- |'.repeat(servers.length + 1)}`];
    for (const [name, figure, unit, decimals, meets] of TARGETS) {
        const seen = servers.map((server) => measured(server, figure));
        if (seen.every((number) => number === undefined)) continue;
        const cells = seen.map((number) => number === undefined ? '–' : `${number.toLocaleString('en', {
            minimumFractionDigits: decimals, maximumFractionDigits: decimals })} ${unit}`);
        const own = seen[servers.indexOf('tailwater')];
        text.push(`| ${name} | ${cells.join(' | ')} | ${own !== undefined && meets(own) ? 'met' : 'not met'} |`);
    }
    return `${text.join('\n')}\n`;
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
const text = [circumstances(), targets(), ...tables].join('\n');
console.log(text);
if (write === 'yes') {
    const document = readFileSync(DOCUMENT, 'utf8');
    const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
    if (begin < 0 || end < begin) throw new Error(`${DOCUMENT} has no place for the table`);
    writeFileSync(DOCUMENT, `${document.slice(0, begin + BEGIN.length)}\n${text}\n${document.slice(end)}`);
}
