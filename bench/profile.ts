// Sums a CPU profile (BENCH_PROFILE of run.ts, or node --cpu-prof) by folder or package, and by function.
// Usage: node bench/profile.ts <file.cpuprofile> [how many functions]
import { readFile } from 'node:fs/promises';

interface Profile {
  nodes: {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
    children?: number[];
  }[];
  samples: number[];
  timeDeltas: number[];
}

const [, , file = '', count = '40'] = process.argv;
const profile: Profile = JSON.parse(await readFile(file, 'utf8'));
const self = new Map<number, number>();
for (const [at, id] of profile.samples.entries()) {
  self.set(id, (self.get(id) ?? 0) + (profile.timeDeltas[at] ?? 0));
}

const places = new Map<string, number>();
const functions = new Map<string, number>();
let busy = 0;
for (const { id, callFrame } of profile.nodes) {
  const time = self.get(id) ?? 0;
  if (callFrame.functionName === '(idle)') continue;
  busy += time;
  const place = placeOf(callFrame.url) || callFrame.functionName;
  places.set(place, (places.get(place) ?? 0) + time);
  const name = `${callFrame.functionName || '(anonymous)'} ${place}:${callFrame.lineNumber + 1}`;
  functions.set(name, (functions.get(name) ?? 0) + time);
}
const total = profile.timeDeltas.reduce((sum, delta) => sum + delta, 0);
console.log(`busy ${((100 * busy) / total).toFixed(0)} % of ${(total / 1e6).toFixed(1)} s`);
print(places, 25);
print(functions, Number(count));

function print(sums: Map<string, number>, most: number): void {
  console.log();
  for (const [name, time] of [...sums].sort((a, b) => b[1] - a[1]).slice(0, most)) {
    console.log(`${((100 * time) / busy).toFixed(1).padStart(5)} %  ${name}`);
  }
}

function placeOf(url: string): string {
  const packaged = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url);
  if (packaged) return packaged[1] ?? '';
  const own = /(?:dist\/)?src\/(.*?)(?:\/[^/]*)?$/.exec(url);
  return own ? `src/${own[1]}` : url;
}
