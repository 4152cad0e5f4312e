// gatehouse doctor: examines the server and says what to do; the same as JSON for monitoring.
import type { Command } from '../platform/command.ts';
import type { Doctor, Report } from './doctor.ts';
import type { Judgement, Status } from './examination.ts';

const marks: Readonly<Record<Status, string>> = {
  ok: 'ok       ',
  warning: 'WARNING  ',
  failed: 'FAILED   ',
  not_measured: '?        ',
};

export const commands: Command<{ doctor: Doctor }>[] = [
  {
    name: 'doctor',
    summary:
      'Examine the server from outside and inside, and say what to do. Ends with 1 when something has failed.',
    options: [
      { name: 'all', summary: 'Show what is well, too.' },
      { name: 'strict', summary: 'End with 1 for warnings as well.' },
    ],
    async run({ services, options }) {
      const report = await services.doctor.examine();
      const { status } = report;
      return {
        json: report,
        text: linesOf(report, options.flag('all')),
        failed: status === 'failed' || (status === 'warning' && options.flag('strict')),
      };
    },
  },
];

function linesOf({ verdicts, checklist }: Report, all: boolean): string[] {
  const shown = verdicts.filter(({ status }) => all || status !== 'ok');
  const count = (status: Status) => verdicts.filter((verdict) => verdict.status === status).length;
  return [
    ...shown.flatMap((verdict) => [
      `${marks[verdict.status]}${verdict.title} (${verdict.id})`,
      ...detailsOf(verdict),
    ]),
    ...(shown.length > 0 ? [''] : []),
    'The checklist of fifteen points:',
    ...checklist.map(({ point, title, status, because }) => `${marks[status]}${point}. ${title}: ${because}`),
    '',
    `${count('ok')} well, ${count('warning')} warnings, ${count('failed')} failed, ${count('not_measured')} not measured.`,
  ];
}

function detailsOf({ finding, remedy }: Judgement): string[] {
  const indent = ' '.repeat(marks.ok.length);
  return [`${indent}${finding}`, ...(remedy === null ? [] : [`${indent}-> ${remedy}`])];
}
