-- the columns of SAP Business One's tables that the preset reads, as SQLite can have them
CREATE TABLE OITM (ItemCode nvarchar(50), InvntItem char(1), frozenFor char(1));
CREATE TABLE OITW (
    ItemCode nvarchar(50), WhsCode nvarchar(8), OnHand numeric, IsCommited numeric, OnOrder numeric);
INSERT INTO OITM VALUES ('A1', 'Y', 'N'), ('A2', 'N', 'N'), ('A3', 'Y', 'Y');
INSERT INTO OITW VALUES
    ('A1', '01', 10, 3.5, 100), ('A2', '01', 5, 0, 0), ('A3', '01', 5, 0, 0);
