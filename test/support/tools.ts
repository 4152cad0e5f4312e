// Programs that a machine may lack: tests that need one are left out where it is missing, and fail there in CI.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export type Tool = 'chromium' | 'redis-server' | 'nginx' | 'caddy' | 'promtool';

/** Names under which distributions install each tool. */
export const tools: Readonly<Record<Tool, readonly string[]>> = {
  // The build without a window first: a page costs it a third.
  chromium: [
    'chromium-headless-shell',
    'chromium',
    'chromium-browser',
    'google-chrome',
    'google-chrome-stable',
  ],
  'redis-server': ['redis-server', 'valkey-server'],
  nginx: ['nginx'],
  caddy: ['caddy'],
  promtool: ['promtool'],
};
const SYSTEM_PLACES = ['/usr/sbin', '/sbin', '/usr/local/sbin', '/snap/bin'];

/** The path of the program, or undefined where it is not installed. CHROMIUM_PATH and the like win. */
export function find(tool: Tool): string | undefined {
  const given = process.env[`${tool.toUpperCase().replaceAll('-', '_')}_PATH`];
  if (given !== undefined && given !== '') return isProgram(given) ? given : undefined;
  const places = [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_PLACES].filter(
    (place) => place !== '',
  );
  return places.flatMap((place) => tools[tool].map((name) => join(place, name))).find(isProgram);
}

export const chromium = (): string | undefined => find('chromium');

/**
 * For `describe.skipIf(needs('chromium'))`: true when the tests must be left out. In CI nothing is left out, so that a
 * missing tool is a failure and not a silence.
 */
export function needs(...wanted: readonly Tool[]): boolean {
  return process.env.CI !== 'true' && wanted.some((tool) => find(tool) === undefined);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
