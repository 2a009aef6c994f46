import type { ComponentChildren } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";

import { api } from "../client/api.ts";
import { type Question, type Services, ServicesContext } from "./context.ts";
import { Confirmation } from "./ui/confirm.tsx";
import { NoticeList, Notices } from "./ui/notices.tsx";

interface Props extends Pick<Services, "chat" | "navigation" | "storage" | "isEmbedded"> {
  children: ComponentChildren;
}

/** The services of the components in it, with the notices and the questions that they show. */
export function ServicesProvider({ children, ...props }: Props) {
  const { chat, navigation, storage, isEmbedded } = props;
  const composer = useRef<HTMLTextAreaElement>(null);
  const [asked, setAsked] = useState<Question & { answer: (confirmed: boolean) => void }>();
  const [notices] = useState(() => new NoticeList());
  const services = useMemo(
    (): Services => ({
      chat,
      navigation,
      storage,
      isEmbedded,
      composer,
      api: api(chat),
      notify: notices.notify,
      notifyOf: notices.notifyOf,
      confirmAction: (question) => new Promise((answer) => setAsked({ ...question, answer })),
    }),
    [chat, navigation, storage, isEmbedded],
  );
  return (
    <ServicesContext.Provider value={services}>
      {children}
      <Notices list={notices} />
      {asked && (
        <Confirmation
          question={asked}
          onAnswer={(confirmed) => {
            setAsked(undefined);
            asked.answer(confirmed);
          }}
        />
      )}
    </ServicesContext.Provider>
  );
}
