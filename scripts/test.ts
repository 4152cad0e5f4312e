// What `npm test` runs: types, lint, generated files, then every test. Ends with one line of passed and failed.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { find, type Tool, tools } from '../test/support/tools.ts';

const ROOT = join(import.meta.dirname, '..');
const BIN = join(ROOT, 'node_modules', '.bin');

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

const checks: readonly { name: string; command: readonly string[] }[] = [
  { name: 'types', command: ['tsc', '-p', 'tsconfig.json'] },
  { name: 'lint and format', command: ['biome', 'ci', '.'] },
  { name: 'generated files', command: ['node', 'scripts/generate.ts', '--check'] },
];

async function main(): Promise<number> {
  // Names of test files or folders run those alone, without the checks.
  const wanted = process.argv.slice(2);
  const total: Tally = { passed: 0, failed: 0, skipped: 0 };
  if (wanted.length === 0) {
    add(total, checkTools());
    for (const { name, command } of checks) {
      const isFine = (await run(command)) === 0;
      console.log(`${isFine ? 'passed' : 'FAILED'}: ${name}`);
      add(total, isFine ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 });
    }
  }
  add(total, await runTests(wanted));
  if (total.skipped > 0) console.log(`${total.skipped} left out`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total.failed === 0 ? 0 : 1;
}

function checkTools(): Tally {
  const missing = (Object.keys(tools) as Tool[]).filter((tool) => find(tool) === undefined);
  if (missing.length === 0) return { passed: 0, failed: 0, skipped: 0 };
  const names = missing.join(', ');
  if (process.env.CI === 'true') {
    console.log(`FAILED: these programs are missing, and in CI no test is left out: ${names}`);
    return { passed: 0, failed: missing.length, skipped: 0 };
  }
  console.log(`Not installed here: ${names}. The tests that need them are left out.`);
  return { passed: 0, failed: 0, skipped: 0 };
}

async function runTests(wanted: readonly string[]): Promise<Tally> {
  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-test-'));
  const output = join(directory, 'result.json');
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${output}`];
    const code = await run(['vitest', 'run', ...reporters, ...wanted]);
    const tally = await tallyOf(output);
    // Vitest also fails for what belongs to no test: a file that does not load, an error after the end.
    return code !== 0 && tally.failed === 0 ? { ...tally, failed: 1 } : tally;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function tallyOf(output: string): Promise<Tally> {
  try {
    const result: unknown = JSON.parse(await readFile(output, 'utf8'));
    const count = (name: string) => {
      const value = Object.entries(result ?? {}).find(([key]) => key === name)?.[1];
      return typeof value === 'number' ? value : 0;
    };
    return {
      passed: count('numPassedTests'),
      failed: count('numFailedTests'),
      skipped: count('numPendingTests') + count('numTodoTests'),
    };
  } catch {
    return { passed: 0, failed: 0, skipped: 0 };
  }
}

/** Programs of node_modules/.bin come first, so that everything runs on the Node that is pinned there. */
function run([program = '', ...args]: readonly string[]): Promise<number> {
  const path = [BIN, process.env.PATH ?? ''].join(delimiter);
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, PATH: path } });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

function add(total: Tally, more: Tally): void {
  total.passed += more.passed;
  total.failed += more.failed;
  total.skipped += more.skipped;
}

process.exitCode = await main();
