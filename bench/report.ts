// Medians, ratios and the table that goes into RESULTS.md.

export interface Row {
  name: string;
  perSecond: Record<'gatehouse' | 'engine', number[]>;
  /** What the server's process used of its core for one unit of work. */
  cpuMilliseconds: Record<'gatehouse' | 'engine', number[]>;
}

interface Setting {
  rounds: number;
  seconds: number;
  connections: number;
  pinned: boolean;
  withRedis: boolean;
  cpu: string;
}

export function report(rows: readonly Row[], setting: Setting): string {
  const lines = rows.map(({ name, perSecond, cpuMilliseconds: cpu }) =>
    [
      name,
      figure(perSecond.gatehouse),
      figure(perSecond.engine),
      (median(perSecond.gatehouse) / median(perSecond.engine)).toFixed(2),
      median(cpu.gatehouse).toFixed(2),
      (median(cpu.engine) / median(cpu.gatehouse)).toFixed(2),
    ].join(' | '),
  );
  return `<!-- Written by bench/run.ts -->
# Bench results

Units of work per second, median (minimum to maximum) of ${setting.rounds} interleaved rounds of ${setting.seconds} s,
${setting.connections} connections (8 for code flows), Node ${process.version}, ${setting.cpu}.
${setting.pinned ? 'Each server alone on core 0; PostgreSQL and the load on core 1.' : 'Servers and load were not pinned to cores.'}
Gatehouse runs with its ledger, its limits, ${setting.withRedis ? 'Redis, ' : ''}and PostgreSQL with fsync on; the bare engine is oidc-provider with its in-memory adapter,
the same features and algorithms, and no second factor: of a code flow with TOTP it has the password alone.

"CPU ms" is what Gatehouse's process used of its core for one unit of work; the last column is the same ratio by processor time, which
does not depend on who else uses the machine, nor on waiting.

## Tokens and sign-ins

| Work | Gatehouse | Bare engine | Gatehouse / engine | CPU ms | by CPU |
|---|--:|--:|--:|--:|--:|
${lines.map((line) => `| ${line} |`).join('\n')}
`;
}

export function figure(values: readonly number[]): string {
  const whole = (value: number) => (value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString('en'));
  return `${whole(median(values))} (${whole(Math.min(...values))} to ${whole(Math.max(...values))})`;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  const high = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? 0)) / 2;
}
