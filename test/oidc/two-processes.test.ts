// Two processes on PostgreSQL alone are one server, and let what can be used once be used once.
import { twoProcesses } from './two-processes.contract.ts';

twoProcesses({});
