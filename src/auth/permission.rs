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

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The permissions that these words name; a word that names none is left out.
    #[must_use]
    pub fn of_words(words: &[String]) -> Self {
        Permission::ALL.into_iter().filter(|permission| words.iter().any(|word| word == permission.as_str())).collect()
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
    /// Runs the centre.
    Administrator,
    /// Runs the agenda and receives patients.
    Receptionist,
    /// Attends; sees the own agenda and the own patients' data.
    Professional,
}

impl BuiltinRole {
    /// Every built-in role.
    pub const ALL: [Self; 3] = [Self::Administrator, Self::Receptionist, Self::Professional];

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "ADMINISTRATOR",
            Self::Receptionist => "RECEPTIONIST",
            Self::Professional => "PROFESSIONAL",
        }
    }

    /// The name in lists, until the centre changes it.
    #[must_use]
    pub fn display_name(self) -> &'static str {
        match self {
            Self::Administrator => "Administrator",
            Self::Receptionist => "Receptionist",
            Self::Professional => "Professional",
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
        match self {
            Self::Administrator => PermissionSet::all(),
            Self::Receptionist => [
                P::AgendaRead,
                P::AgendaWrite,
                P::AgendaReadOwn,
                P::PatientRead,
                P::PatientWrite,
                P::CrmRead,
                P::FinanceRead,
                P::FinanceSell,
                P::CashOpenClose,
            ]
            .into_iter()
            .collect(),
            Self::Professional => {
                [P::AgendaReadOwn, P::PatientRead, P::RecordRead, P::RecordWrite, P::RecordSign].into_iter().collect()
            }
        }
    }
}
