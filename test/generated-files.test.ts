// Files that are generated say what their tables say.
import { expect, it } from 'vitest';
import { generatedFiles, staleFiles } from '../scripts/generate.ts';

it('has no stale generated file (npm run generate writes them)', () => {
  expect(staleFiles()).toEqual([]);
});

it('names the generator in the first line of every generated file', () => {
  const whole = generatedFiles().filter(({ path }) => path !== 'README.md');
  for (const { text } of whole) expect(text.split('\n', 1)[0]).toContain('scripts/generate.ts');
});
