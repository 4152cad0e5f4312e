// The sum of a table over rows that come in pieces, also of a file that somebody made to be too much.
import { expect, it } from 'vitest';
import { createSum } from '../../src/backup/sums.ts';

it('is the same however the rows are cut and ordered', () => {
  const whole = createSum();
  whole.add(Buffer.from('one\ntwo\nthree\n'));
  const cut = createSum();
  for (const letter of 'three\none\ntwo\n') cut.add(Buffer.from(letter));
  expect(cut.end()).toEqual(whole.end());
});

it('gives up on a row that never ends, and takes many long ones', () => {
  const piece = Buffer.alloc(16 * 1024 * 1024, 'x');
  const rows = createSum();
  for (let row = 0; row < 6; row += 1) {
    rows.add(piece);
    rows.add(Buffer.from('\n'));
  }
  expect(rows.end().rows).toBe(6);

  const endless = createSum();
  const gather = () => {
    for (let added = 0; added < 6; added += 1) endless.add(piece);
  };
  expect(gather).toThrow(expect.objectContaining({ code: 'backup_broken' }));
});
