/** `DoctorService`: why something between agents does not work, or works badly. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { Clock } from "../../base/clock.ts";
import type { Doctor } from "../../doctor/doctor.ts";
import { type DoctorService, ExaminerSchema } from "../../gen/fairlead/console/v1/doctor_service_pb.ts";

export interface DoctorServiceDeps {
  readonly doctor: Doctor;
  readonly version: string;
  readonly clock: Clock;
}

export function createDoctorService({ doctor, version, clock }: DoctorServiceDeps): ServiceImpl<typeof DoctorService> {
  return {
    async *diagnose({ peer }, { signal }) {
      const findings = doctor.examine(peer === "" ? undefined : peer, signal);
      const time = new Date(clock.now()).toISOString();
      yield { event: { case: "examiner", value: create(ExaminerSchema, { version, time }) } };
      for await (const finding of findings) yield { event: { case: "finding", value: finding } };
    },
  };
}
