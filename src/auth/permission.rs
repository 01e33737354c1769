//! Permissions, and which built-in role has which.

/// One thing a user may do. The words are the API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the API describes each; the names say what they allow")]
pub enum Permission {
    AgendaRead,
    AgendaWrite,
    AgendaOverbook,
    AgendaReadOwn,
    PatientRead,
    PatientWrite,
    PatientMerge,
    RecordRead,
    RecordWrite,
    RecordSign,
    RecordTemplate,
    CrmRead,
    CrmSend,
    FinanceRead,
    FinanceSell,
    FinanceRefund,
    CashOpenClose,
    CashWithdraw,
    CommissionReadAll,
    CommissionSettle,
    ReportRead,
    ReportExport,
    ConfigWrite,
    UserAdmin,
    WorkorderRead,
    WorkorderWrite,
    WorkorderAssign,
    WorkorderExecute,
    WorkorderApprove,
    EvidenceDelete,
    TimeEdit,
    WebhookAdmin,
    AuditRead,
    SupportAdmin,
}

impl Permission {
    /// Every permission, in the API's order.
    pub const ALL: [Self; 34] = [
        Self::AgendaRead,
        Self::AgendaWrite,
        Self::AgendaOverbook,
        Self::AgendaReadOwn,
        Self::PatientRead,
        Self::PatientWrite,
        Self::PatientMerge,
        Self::RecordRead,
        Self::RecordWrite,
        Self::RecordSign,
        Self::RecordTemplate,
        Self::CrmRead,
        Self::CrmSend,
        Self::FinanceRead,
        Self::FinanceSell,
        Self::FinanceRefund,
        Self::CashOpenClose,
        Self::CashWithdraw,
        Self::CommissionReadAll,
        Self::CommissionSettle,
        Self::ReportRead,
        Self::ReportExport,
        Self::ConfigWrite,
        Self::UserAdmin,
        Self::WorkorderRead,
        Self::WorkorderWrite,
        Self::WorkorderAssign,
        Self::WorkorderExecute,
        Self::WorkorderApprove,
        Self::EvidenceDelete,
        Self::TimeEdit,
        Self::WebhookAdmin,
        Self::AuditRead,
        Self::SupportAdmin,
    ];

    /// The word in the database and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgendaRead => "AGENDA_READ",
            Self::AgendaWrite => "AGENDA_WRITE",
            Self::AgendaOverbook => "AGENDA_OVERBOOK",
            Self::AgendaReadOwn => "AGENDA_READ_OWN",
            Self::PatientRead => "PATIENT_READ",
            Self::PatientWrite => "PATIENT_WRITE",
            Self::PatientMerge => "PATIENT_MERGE",
            Self::RecordRead => "RECORD_READ",
            Self::RecordWrite => "RECORD_WRITE",
            Self::RecordSign => "RECORD_SIGN",
            Self::RecordTemplate => "RECORD_TEMPLATE",
            Self::CrmRead => "CRM_READ",
            Self::CrmSend => "CRM_SEND",
            Self::FinanceRead => "FINANCE_READ",
            Self::FinanceSell => "FINANCE_SELL",
            Self::FinanceRefund => "FINANCE_REFUND",
            Self::CashOpenClose => "CASH_OPEN_CLOSE",
            Self::CashWithdraw => "CASH_WITHDRAW",
            Self::CommissionReadAll => "COMMISSION_READ_ALL",
            Self::CommissionSettle => "COMMISSION_SETTLE",
            Self::ReportRead => "REPORT_READ",
            Self::ReportExport => "REPORT_EXPORT",
            Self::ConfigWrite => "CONFIG_WRITE",
            Self::UserAdmin => "USER_ADMIN",
            Self::WorkorderRead => "WORKORDER_READ",
            Self::WorkorderWrite => "WORKORDER_WRITE",
            Self::WorkorderAssign => "WORKORDER_ASSIGN",
            Self::WorkorderExecute => "WORKORDER_EXECUTE",
            Self::WorkorderApprove => "WORKORDER_APPROVE",
            Self::EvidenceDelete => "EVIDENCE_DELETE",
            Self::TimeEdit => "TIME_EDIT",
            Self::WebhookAdmin => "WEBHOOK_ADMIN",
            Self::AuditRead => "AUDIT_READ",
            Self::SupportAdmin => "SUPPORT_ADMIN",
        }
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PermissionSet(u64);

impl PermissionSet {
    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Permission::ALL.into_iter().collect()
    }

    /// Whether `permission` is in it.
    #[must_use]
    pub fn has(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u8) != 0
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// What the database's words name; words that this binary does not know allow nothing.
    #[must_use]
    pub fn of_words<W: AsRef<str>>(words: &[W]) -> Self {
        Permission::ALL.into_iter().filter(|p| words.iter().any(|word| word.as_ref() == p.as_str())).collect()
    }

    /// Both together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in it and not in `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Its members, in the API's order.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.has(*permission))
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<T: IntoIterator<Item = Permission>>(permissions: T) -> Self {
        Self(permissions.into_iter().fold(0, |bits, permission| bits | (1 << permission as u8)))
    }
}

/// A role that every centre has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BuiltinRole {
    /// Answers for the centre: may do everything.
    Administrator,
    /// Runs the centre from day to day; neither users nor clinical records.
    Manager,
    /// Runs the agenda and receives patients.
    Receptionist,
    /// Attends; sees the own agenda and the own patients' data.
    Professional,
    /// Takes money.
    Cashier,
    /// Plans and approves work in the field.
    Supervisor,
    /// Carries out the own work orders.
    Technician,
    /// Takes customers' calls and hands out work orders.
    Operator,
    /// A patient with an account: the own data, which being that patient allows and no permission does.
    Patient,
}

impl BuiltinRole {
    /// Every built-in role.
    pub const ALL: [Self; 9] = [
        Self::Administrator,
        Self::Manager,
        Self::Receptionist,
        Self::Professional,
        Self::Cashier,
        Self::Supervisor,
        Self::Technician,
        Self::Operator,
        Self::Patient,
    ];

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "ADMINISTRATOR",
            Self::Manager => "MANAGER",
            Self::Receptionist => "RECEPTIONIST",
            Self::Professional => "PROFESSIONAL",
            Self::Cashier => "CASHIER",
            Self::Supervisor => "SUPERVISOR",
            Self::Technician => "TECHNICIAN",
            Self::Operator => "OPERATOR",
            Self::Patient => "PATIENT",
        }
    }

    /// The name in lists, until the centre changes it.
    #[must_use]
    pub fn display_name(self) -> &'static str {
        match self {
            Self::Administrator => "Administrator",
            Self::Manager => "Manager",
            Self::Receptionist => "Receptionist",
            Self::Professional => "Professional",
            Self::Cashier => "Cashier",
            Self::Supervisor => "Supervisor",
            Self::Technician => "Technician",
            Self::Operator => "Operator",
            Self::Patient => "Patient",
        }
    }

    /// The role that the database's word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// What the role may do.
    #[must_use]
    pub fn permissions(self) -> PermissionSet {
        use Permission as P;
        let allowed: &[P] = match self {
            Self::Administrator => &P::ALL,
            // Neither users nor keys, so that a manager stays what the administrator made of him or her; clinical
            // records are for who attends.
            Self::Manager => &[
                P::AgendaRead,
                P::AgendaWrite,
                P::AgendaOverbook,
                P::AgendaReadOwn,
                P::PatientRead,
                P::PatientWrite,
                P::PatientMerge,
                P::CrmRead,
                P::CrmSend,
                P::FinanceRead,
                P::FinanceSell,
                P::FinanceRefund,
                P::CashOpenClose,
                P::CashWithdraw,
                P::CommissionReadAll,
                P::CommissionSettle,
                P::ReportRead,
                P::ReportExport,
                P::ConfigWrite,
                P::WorkorderRead,
                P::WorkorderWrite,
                P::WorkorderAssign,
                P::WorkorderApprove,
                P::TimeEdit,
                P::AuditRead,
                P::SupportAdmin,
            ],
            Self::Receptionist => &[
                P::AgendaRead,
                P::AgendaWrite,
                P::AgendaReadOwn,
                P::PatientRead,
                P::PatientWrite,
                P::CrmRead,
                P::FinanceRead,
                P::FinanceSell,
                P::CashOpenClose,
            ],
            Self::Professional => &[P::AgendaReadOwn, P::PatientRead, P::RecordRead, P::RecordWrite, P::RecordSign],
            // Sees who comes and what is owed; gives nothing back and takes nothing out.
            Self::Cashier => &[P::AgendaRead, P::PatientRead, P::FinanceRead, P::FinanceSell, P::CashOpenClose],
            Self::Supervisor => &[
                P::AgendaRead,
                P::PatientRead,
                P::ReportRead,
                P::WorkorderRead,
                P::WorkorderWrite,
                P::WorkorderAssign,
                P::WorkorderExecute,
                P::WorkorderApprove,
                P::EvidenceDelete,
                P::TimeEdit,
            ],
            // WORKORDER_READ would show everybody's: who executes sees what is assigned to him or her.
            Self::Technician => &[P::AgendaReadOwn, P::WorkorderExecute],
            Self::Operator => &[
                P::AgendaRead,
                P::PatientRead,
                P::PatientWrite,
                P::WorkorderRead,
                P::WorkorderWrite,
                P::WorkorderAssign,
            ],
            Self::Patient => &[],
        };
        allowed.iter().copied().collect()
    }
}
