// Load for what is answered faster than a client in Node can ask: wrk where there is one, and every answer looked at.
import { execFile, execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Call, expectStatus, measure, target } from './load.ts';
import { cpuMilliseconds } from './servers.ts';

/** One request, again and again. */
export interface Shot extends Call {
  /** Each in its turn stands in for KEY, in the headers and in the body. */
  readonly keys: readonly string[];
  /** What every right answer holds. */
  readonly right: string;
}

export interface Fired {
  readonly done: number;
  readonly perSecond: number;
  readonly p99Milliseconds: number;
}

export interface Fire {
  readonly by: 'wrk' | 'node';
  /** Goes on with the keys where it left off: none is used twice before all were. Throws when an answer is wrong. */
  run(seconds: number): Promise<Fired>;
}

/** Who is asked, and what came of it. */
export interface Side {
  readonly process: number;
  readonly fire: Fire;
  readonly fired: (Fired & { cpuMilliseconds: number })[];
}

export interface Turns {
  readonly rounds: number;
  readonly seconds: number;
}

const WARM_UP_SECONDS = 4;

const run = promisify(execFile);

/** One after the other in each round; the first one is to warm up. */
export async function inTurn(sides: readonly Side[], { rounds, seconds }: Turns): Promise<void> {
  for (let round = -1; round < rounds; round += 1) {
    for (const { process, fire, fired } of sides) {
      const before = cpuMilliseconds(process);
      const one = await fire.run(round < 0 ? WARM_UP_SECONDS : seconds);
      if (round >= 0) fired.push({ ...one, cpuMilliseconds: (cpuMilliseconds(process) - before) / one.done });
    }
  }
}

/** `name`: of the files that wrk reads. */
export async function createFire(
  shot: Shot,
  to: { port: number; connections: number; directory: string; name: string },
): Promise<Fire> {
  return hasWrk() ? createWrk(shot, to) : createLoops(shot, to);
}

async function createWrk(
  shot: Shot,
  to: { port: number; connections: number; directory: string; name: string },
): Promise<Fire> {
  const { keys, right, method, path, headers = {}, body = '' } = shot;
  const keyFile = join(to.directory, `${to.name}.keys`);
  const scriptFile = join(to.directory, `${to.name}.lua`);
  await writeFile(keyFile, `${keys.join('\n')}\n`);
  let next = 0;
  return {
    by: 'wrk',
    async run(seconds) {
      await writeFile(
        scriptFile,
        script({ keyFile, next, right, method, path, headers: Object.entries(headers), body }),
      );
      const { port, connections } = to;
      const options = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-s', scriptFile];
      const { stdout } = await run('wrk', [...options, `http://127.0.0.1:${port}`]);
      const [, asked, done, wrong, microseconds, p99, sample] =
        /^fired (\d+) (\d+) (\d+) (\d+) (\d+) (.*)$/m.exec(stdout) ?? [];
      if (wrong !== '0' || Number(done) === 0)
        throw new Error(`${to.name}: ${wrong} wrong answers: ${sample}`);
      next = (next + Number(asked)) % keys.length;
      return {
        done: Number(done),
        perSecond: Number(done) / (Number(microseconds) / 1e6),
        p99Milliseconds: Number(p99) / 1000,
      };
    },
  };
}

function script(shot: {
  keyFile: string;
  next: number;
  right: string;
  method: string;
  path: string;
  headers: [string, string][];
  body: string;
}): string {
  const text = (value: string) => JSON.stringify(value);
  const headers = shot.headers.map(([name, value]) => `[${text(name)}] = ${text(value)}`).join(', ');
  return `local keys, at = {}, ${shot.next}
asked, done_ones, wrong, sample = 0, 0, 0, ""
local method, path, template, body = ${text(shot.method)}, ${text(shot.path)}, { ${headers} }, ${text(shot.body)}
function init() for line in io.lines(${text(shot.keyFile)}) do keys[#keys + 1] = line end end
function request()
  local key = keys[at % #keys + 1]
  at, asked = at + 1, asked + 1
  local headers = {}
  for name, value in pairs(template) do headers[name] = value:gsub("KEY", key) end
  return wrk.format(method, path, headers, body ~= "" and body:gsub("KEY", key) or nil)
end
function response(status, headers, body)
  done_ones = done_ones + 1
  if status ~= 200 or not body:find(${text(shot.right)}, 1, true) then
    wrong, sample = wrong + 1, status .. " " .. body:sub(1, 300):gsub("%s+", " ")
  end
end
local threads = {}
function setup(thread) threads[#threads + 1] = thread end
function done(summary, latency)
  local one = threads[1]
  local lost = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format("fired %d %d %d %d %d %s\\n", one:get("asked"), one:get("done_ones"), one:get("wrong") + lost,
    summary.duration, latency:percentile(99), one:get("sample")))
end
`;
}

function createLoops(shot: Shot, to: { port: number; connections: number }): Fire {
  const { keys, right, method, path, headers = {}, body } = shot;
  const { send } = target(to.port, to.connections);
  let next = 0;
  return {
    by: 'node',
    async run(seconds) {
      const times: number[] = [];
      const work = async () => {
        const key = keys[next++ % keys.length] ?? '';
        const put = (text: string) => text.replaceAll('KEY', key);
        const own = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, put(text)]));
        const begun = performance.now();
        const call = { method, path, headers: own, ...(body === undefined ? {} : { body: put(body) }) };
        const answer = expectStatus(await send(call), 200);
        times.push(performance.now() - begun);
        if (!answer.body.includes(right)) throw new Error(`wrong: ${answer.body.slice(0, 300)}`);
      };
      const loops = Array.from({ length: to.connections }, () => work);
      const measured = await measure(loops, seconds);
      times.sort((one, other) => one - other);
      return { ...measured, p99Milliseconds: times[Math.floor(times.length * 0.99)] ?? Number.NaN };
    },
  };
}

function hasWrk(): boolean {
  try {
    execFileSync('wrk', ['--version'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    // It answers its version with 1.
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}
