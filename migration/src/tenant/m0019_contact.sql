-- Who booked, where the centre has no address of the patient.

ALTER TABLE appointments
    -- As they were typed with the booking. The appointment's mails go there while the patient has no address on file; they
    -- never become the patient's own.
    ADD COLUMN contact_name text,
    ADD COLUMN contact_email text,
    ADD CHECK ((contact_name IS NULL) = (contact_email IS NULL));
