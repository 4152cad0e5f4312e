// Typing in raw mode, and tables.
import { describe, expect, it } from 'vitest';
import { tableLines, typeInto } from '../../../src/platform/command-line/terminal-io.ts';

describe('typing', () => {
  it.each([
    ['abc\r', 'abc'],
    ['abd\u007fc\n', 'abc'],
    ['ab\u{1f600}\bc\r', 'abc'],
    ['wrong\u0015abc\r', 'abc'],
    ['\u007f\u007fabc\r', 'abc'],
    ['a\tb\u001bc\r', 'abc'],
    ['abc\u0004', 'abc'],
  ])('%j is a line', (typed, text) => {
    expect(typeInto('', typed)).toMatchObject({ text, end: 'entered' });
  });

  it('keeps what was typed after the end of the line', () => {
    expect(typeInto('', 'one\r\ntwo\r')).toEqual({ text: 'one', rest: 'two\r', end: 'entered' });
  });

  it('is interrupted by Ctrl-C anywhere and by Ctrl-D on an empty line', () => {
    expect(typeInto('abc', '\u0003').end).toBe('interrupted');
    expect(typeInto('', '\u0004').end).toBe('interrupted');
  });

  it('goes on with the next chunk', () => {
    expect(typeInto('ab', 'c')).toEqual({ text: 'abc', rest: '', end: 'open' });
  });
});

describe('tables', () => {
  it('lines columns up and shows a dash for nothing', () => {
    const rows = [
      ['a', null],
      ['bbbb', 10],
    ];
    expect(tableLines({ columns: ['id', 'count'], rows, empty: 'none' })).toEqual([
      'ID    COUNT',
      'a     -',
      'bbbb  10',
    ]);
  });

  it('says that there is nothing', () => {
    expect(tableLines({ columns: ['id'], rows: [], empty: 'There is nothing.' })).toEqual([
      'There is nothing.',
    ]);
  });
});
