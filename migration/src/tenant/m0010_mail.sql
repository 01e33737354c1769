-- The bounce-rate alarm.

-- When the centre was last alarmed that too many of its mails bounce: once a day is enough.
ALTER TABLE centre_profile ADD COLUMN bounce_alarm_at timestamptz;
